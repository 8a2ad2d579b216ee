import type { View } from './camera.ts'
import { showCode } from './code-view.ts'
import { Comparison } from './comparison/comparison.ts'
import { byId, element, oncePerFrame } from './dom.ts'
import { Fractal } from './fractal.ts'
import { Globes } from './globes.ts'
import { offerCopy } from './install.ts'
import { JobList } from './job-list.ts'
import { dockPanel } from './panel-dock.ts'
import { Pictures } from './pictures.ts'
import { PosterShop } from './poster/poster-shop.ts'
import { PrintShop } from './print-shop.ts'
import { Stage } from './stage.ts'
import { StatsPanel } from './stats-panel.ts'

const places: Readonly<Record<string, View>> = {
  'Seahorse valley': { re: -0.743_643_887_037_151, im: 0.131_825_904_205_33, scale: 2e-9 },
  'Elephant valley': { re: 0.281_717_921_930_775, im: 0.577_105_284_148_8, scale: 6e-8 },
  'A small copy': { re: -1.768_778_833, im: -0.001_738_996, scale: 4e-8 },
}

const stage = new Stage()
const list = new JobList('jobs', () => comparison.isRunning || fractal.queue.waiting + fractal.queue.running > 0)
const globes = new Globes(list)
const pictures = new Pictures(list)
const fractal = new Fractal(() => stage.performance, oncePerFrame(showTiles))
const comparison = new Comparison(stage, perform)
new StatsPanel(stage)
new PosterShop()
new PrintShop()
showCode()
offerCopy()
dockPanel()

/** Everything on the page, once more. */
async function perform(): Promise<void> {
  list.clear()
  const { performance } = stage
  await Promise.all([fractal.perform(), pictures.perform(performance), globes.perform(performance)])
  list.refresh()
}

function showTiles(): void {
  const { queue } = fractal
  const counts = { queued: queue.waiting, running: queue.running, ...queue.counts }
  for (const [name, count] of Object.entries(counts))
    byId('tiles-row').querySelector(`[data-count=${name}]`)!.textContent = String(count)
  list.refresh()
}

// The buttons.

const pause = byId('pause')
pause.addEventListener('click', () => (stage.scheduler.isPaused ? stage.scheduler.resume() : stage.scheduler.pause()))
stage.subscribe(
  oncePerFrame(() => {
    const { isPaused } = stage.scheduler.snapshot()
    pause.textContent = isPaused ? 'Resume' : 'Pause'
    pause.setAttribute('aria-pressed', String(isPaused))
  }),
)
byId('cancel-all').addEventListener('click', () => {
  comparison.drop()
  void stage.scheduler.cancel({ state: ['scheduled', 'queued', 'running'] }, 'by hand')
})
byId('again').addEventListener('click', () => comparison.run(stage.place))

const zooms: Record<string, () => void> = {
  in: () => fractal.zoomBy(2),
  out: () => fractal.zoomBy(0.5),
  reset: () => fractal.home(),
}
for (const button of document.querySelectorAll<HTMLElement>('[data-zoom]'))
  button.addEventListener('click', () => zooms[button.dataset.zoom as string]?.())
byId('places').append(
  ...Object.entries(places).map(([textContent, view]) =>
    element('button', { type: 'button', textContent, onclick: () => fractal.flyTo(view) }),
  ),
)

// Pictures that are dropped anywhere, or chosen.

async function take(files: Iterable<File>): Promise<void> {
  const taken = [...files].map((file) => pictures.take(file, stage.performance).catch(() => file.name))
  const refused = (await Promise.all(taken)).filter((name) => name !== undefined)
  byId('refused').textContent =
    refused.length === 0 ? '' : `Not a picture that this browser can read: ${refused.join(', ')}.`
}

const drop = byId('drop')
const chooser = byId<HTMLInputElement>('files')
chooser.addEventListener('change', async () => {
  await take(chooser.files ?? [])
  chooser.value = ''
})
addEventListener('dragover', (event) => {
  event.preventDefault()
  drop.classList.add('over')
})
addEventListener('dragleave', (event) => {
  if (!event.relatedTarget) drop.classList.remove('over')
})
addEventListener('drop', (event) => {
  event.preventDefault()
  drop.classList.remove('over')
  void take(event.dataTransfer?.files ?? [])
  drop.scrollIntoView({ block: 'nearest' })
})

void comparison.run('workers')
// A tab that is brought back is reloaded, and a reload does not go to the fragment.
const section = document.getElementById(location.hash.slice(1))
section?.scrollIntoView()
