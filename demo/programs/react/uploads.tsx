import type { JobSnapshot } from 'offstage'
import { useJobs } from 'offstage/react'
import { StrictMode, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { scheduler } from '../uploads/scheduler.ts'

function Uploads() {
  const jobs = useJobs(scheduler, { name: 'upload' })
  const [problem, setProblem] = useState('')

  async function add(files: FileList | null) {
    const uploads = Array.from(files ?? [], (file) => ({
      name: 'upload' as const,
      input: file,
      options: { headers: { file: file.name } },
    }))
    try {
      await scheduler.addMany(uploads)
      setProblem('')
    } catch (error) {
      setProblem(String(error)) // The disk is full, perhaps.
    }
  }

  return (
    <main>
      <p>
        Choose files: <input type="file" multiple onChange={(event) => add(event.target.files)} /> {problem}
      </p>
      <ul>
        {jobs.map((job) => (
          <Upload key={job.id} job={job} />
        ))}
      </ul>
    </main>
  )
}

function Upload({ job: { id, headers, state, progress, error, finishedAt } }: { job: JobSnapshot<number> }) {
  return (
    <li>
      {headers.file} <progress value={state === 'completed' ? 1 : (progress ?? 0)} />
      <output>{state === 'failed' ? String(error) : state}</output>
      {finishedAt === undefined && (
        <button type="button" onClick={() => scheduler.cancel(id)}>
          Cancel
        </button>
      )}
      {(state === 'failed' || state === 'cancelled') && (
        <button type="button" onClick={() => scheduler.retry(id)}>
          Retry
        </button>
      )}
    </li>
  )
}

createRoot(document.querySelector('#app') as Element).render(
  <StrictMode>
    <Uploads />
  </StrictMode>,
)
