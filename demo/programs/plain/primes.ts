import { scheduler } from '../primes/scheduler.ts'
import { element } from './element.ts'

const form = element('form')
const upTo = element('input')
const cancel = element('button', '#cancel')
const bar = element('progress')
const output = element('output')

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  const controller = new AbortController()
  cancel.onclick = () => controller.abort()
  cancel.disabled = false
  output.value = ''
  try {
    const count = await scheduler.run.countPrimes(
      { upTo: upTo.valueAsNumber },
      {
        signal: controller.signal,
        onProgress: (share) => {
          bar.value = share
        },
      },
    )
    output.value = `${count} primes`
  } catch (error) {
    output.value = controller.signal.aborted ? 'Cancelled' : String(error)
  }
  cancel.disabled = true
})
