import { useJob, useScheduler } from 'offstage/react'
import { StrictMode, useEffect, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { scheduler } from '../thumbnails/scheduler.ts'

function Thumbnails() {
  const [files, setFiles] = useState<readonly File[]>([])
  const { counts } = useScheduler(scheduler)
  const add = (added: FileList | null) => setFiles([...files, ...(added ?? [])])
  const done = counts.completed + counts.failed
  return (
    <main
      style={{ minHeight: '100vh' }}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault()
        add(event.dataTransfer.files)
      }}
    >
      <p>
        Drop pictures here, or choose some:{' '}
        <input type="file" accept="image/*" multiple onChange={(event) => add(event.target.files)} />
      </p>
      <p>
        <progress value={done} max={files.length || 1} /> {done} of {files.length}
      </p>
      {files.map((file, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: files only come in at the end, and may be the same one twice.
        <Thumbnail key={at} file={file} />
      ))}
    </main>
  )
}

function Thumbnail({ file }: { file: File }) {
  const { start, result, error } = useJob(scheduler, 'thumbnail')
  useEffect(() => {
    start(file)
  }, [start, file])
  const url = useObjectUrl(result)
  return (
    <figure>
      {url && <img src={url} alt={file.name} />}
      {file.name}
      {error !== undefined && `: ${error}`}
    </figure>
  )
}

/** An address of the blob, while the component shows it. */
function useObjectUrl(blob: Blob | undefined) {
  const [url, setUrl] = useState<string>()
  useEffect(() => {
    if (!blob) return
    const url = URL.createObjectURL(blob)
    setUrl(url)
    return () => URL.revokeObjectURL(url)
  }, [blob])
  return url
}

createRoot(document.querySelector('#app') as Element).render(
  <StrictMode>
    <Thumbnails />
  </StrictMode>,
)
