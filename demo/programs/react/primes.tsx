import { useJob } from 'offstage/react'
import { StrictMode, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { scheduler } from '../primes/scheduler.ts'

function Primes() {
  const [upTo, setUpTo] = useState(5_000_000)
  const { start, cancel, state, progress, result, error } = useJob(scheduler, 'countPrimes')
  const isBusy = state === 'queued' || state === 'running'
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        start({ upTo })
      }}
    >
      <label>
        Primes up to{' '}
        <input type="number" min="2" value={upTo} onChange={(event) => setUpTo(event.target.valueAsNumber)} required />
      </label>
      <button type="submit">Count</button>
      <button type="button" onClick={cancel} disabled={!isBusy}>
        Cancel
      </button>
      <progress value={progress ?? 0} />
      <output>
        {state === 'completed' && `${result} primes`}
        {state === 'cancelled' && 'Cancelled'}
        {state === 'failed' && String(error)}
      </output>
    </form>
  )
}

createRoot(document.querySelector('#app') as Element).render(
  <StrictMode>
    <Primes />
  </StrictMode>,
)
