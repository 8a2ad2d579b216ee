import { scheduler } from '../thumbnails/scheduler.ts'
import { element } from './element.ts'

const input = element('input')
const bar = element('progress')
const output = element('output')
const thumbnails = element('div', '#thumbnails')

input.addEventListener('change', () => addAll(input.files))
document.body.addEventListener('dragover', (event) => event.preventDefault())
document.body.addEventListener('drop', (event) => {
  event.preventDefault()
  addAll(event.dataTransfer?.files)
})

let total = 0
let done = 0

function addAll(files: Iterable<File> | null | undefined) {
  for (const file of files ?? []) add(file)
}

async function add(file: File) {
  const figure = document.createElement('figure')
  figure.textContent = file.name
  thumbnails.append(figure)
  total++
  showProgress()
  try {
    const thumbnail = await scheduler.run.thumbnail(file)
    const image = new Image()
    image.src = URL.createObjectURL(thumbnail)
    image.onload = () => URL.revokeObjectURL(image.src)
    figure.prepend(image)
  } catch (error) {
    figure.append(`: ${error}`)
  }
  done++
  showProgress()
}

function showProgress() {
  bar.max = total
  bar.value = done
  output.value = `${done} of ${total}`
}
