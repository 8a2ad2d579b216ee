import { byId } from './dom.ts'

const shownMs = 2_000

/** The button beside the install line copies it. */
export function offerCopy(): void {
  const button = byId('copy')
  const line = byId('install-line')
  button.addEventListener('click', async () => {
    button.textContent = (await copy(line)) ? 'Copied' : 'Press Ctrl+C'
    setTimeout(() => {
      button.textContent = 'Copy'
    }, shownMs)
  })
}

/** Where the clipboard is refused, as on a page without https, the line is selected instead. */
async function copy(line: HTMLElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(line.textContent ?? '')
    return true
  } catch {
    getSelection()?.selectAllChildren(line)
    return false
  }
}
