import { byId, element } from './dom.ts'
import { highlighted } from './highlight.ts'

/** The source of this page, each file loaded when somebody looks at it. */
const sources = import.meta.glob<string>(['./**/*.ts', '!./vite.config.ts'], { query: '?raw', import: 'default' })

const dialog = byId<HTMLDialogElement>('code')
const tabs = byId('code-tabs')
const text = byId('code-text')

/** Lets each button with `data-code` show the files that it names, which are separated by spaces. */
export function showCode(): void {
  for (const button of document.querySelectorAll<HTMLElement>('[data-code]'))
    button.addEventListener('click', () => open(button.dataset.code?.split(' ') ?? []))
  byId('code-close').addEventListener('click', () => dialog.close())
  // A click beside it.
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close())
}

function open(files: readonly string[]): void {
  tabs.replaceChildren(
    ...files.map((file) => element('button', { type: 'button', textContent: file, onclick: () => void show(file) })),
  )
  dialog.showModal()
  if (files[0]) void show(files[0])
}

async function show(file: string): Promise<void> {
  for (const tab of tabs.children) tab.setAttribute('aria-pressed', String(tab.textContent === file))
  const source = await sources[`./${file}`]?.()
  text.replaceChildren(...highlighted(source ?? `There is no file ${file}.`))
  text.parentElement?.scrollTo(0, 0)
}
