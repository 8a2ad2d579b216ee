import { render } from 'lit-html'
import { systemClock } from '../platform/host.ts'
import * as check from '../shared/check.ts'
import { OffstageError } from '../shared/errors.ts'
import { isObject } from '../shared/show.ts'
import type { JobTable } from '../thread/job-types.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import type { JobList } from './job-list.ts'
import { rowHeightOf, type Sight } from './list-view.ts'
import { type Extras, Model } from './model.ts'
import { panelView } from './panel-view.ts'
import { hashOf, isFree, type Route, routeOf } from './route.ts'
import { styles } from './styles.ts'

/** What `createScheduler` has returned, whatever jobs it has. */
type AnyScheduler = Pick<Scheduler, 'queue' | 'close'>

/**
 * The element `<offstage-panel>`, once `definePanel` has made it known to the page. Its attributes are `theme` (`light` or `dark`;
 * default: the colour scheme of the page) and `hash`, as the options of `mountPanel`; an empty `hash` leaves the address as it is.
 */
export interface OffstagePanel extends HTMLElement, Extras {
  /** The scheduler that is shown; `undefined` shows none. Setting anything else throws `INVALID_OPTION`. */
  scheduler: AnyScheduler | undefined
  /** As the option of `mountPanel`. */
  history?: Extras['history']
  /** As the option of `mountPanel`. */
  schedules?: Extras['schedules']
  /** As the option of `mountPanel`. */
  flows?: Extras['flows']
  /** As the option of `mountPanel`. */
  batches?: Extras['batches']
}

/** The options of `mountPanel`. */
export interface PanelOptions extends Extras {
  /** What the panel is appended to. Default: the body of the page. */
  readonly target?: ParentNode | undefined
  /** Default: `auto`, the colour scheme of the page. */
  readonly theme?: 'auto' | 'light' | 'dark' | undefined
  /**
   * What is looked at is kept in the address, in a hash that begins with this word, `#offstage:…`. A hash that begins otherwise is
   * the application's, and stays. Two panels on a page need two words. `false`: the address stays as it is. Default `'offstage'`.
   */
  readonly hash?: string | false | undefined
}

const tagName = 'offstage-panel'
const properties = ['scheduler', 'history', 'schedules', 'flows', 'batches'] as const
type Properties = Partial<Record<(typeof properties)[number], unknown>>

/** Below this width, the rows of the list have two lines; as in the styles. */
const narrowMax = 640
/** How long a browser may take to begin a download. */
const downloadMs = 60_000

const schedulerCheck: check.Check = (value) =>
  isObject(value) && typeof value.watch === 'function' ? undefined : 'what createScheduler() returned'

const optionChecks: check.Checks = {
  target: (value) => (isObject(value) && typeof value.append === 'function' ? undefined : 'an element'),
  theme: check.oneOf('auto', 'light', 'dark'),
  hash: check.either((value) => (value === false ? undefined : 'false'), check.string(64)),
  history: check.object,
  schedules: check.object,
  flows: check.object,
  batches: check.object,
}

/**
 * Shows a panel of everything that the scheduler does, for development and for admin pages: whoever sees it can read inputs and
 * results, and cancel and remove jobs. It works in every tab that shares the store. Returns a function that takes it away again.
 *
 * Hand in what the extensions have returned, if they are to be shown. Throws `INVALID_OPTION`, which names what is wrong.
 *
 * @example
 * ```ts
 * import { history } from 'offstage/history'
 * import { mountPanel } from 'offstage/panel'
 * import { schedules } from 'offstage/schedules'
 *
 * const unmount = mountPanel(scheduler, { history: history(scheduler), schedules: schedules(scheduler) })
 * ```
 */
export function mountPanel<Table extends JobTable>(
  scheduler: Scheduler<Table>,
  options: PanelOptions = {},
): () => void {
  check.checkArgument('scheduler', schedulerCheck, scheduler)
  check.checkOptions(options, optionChecks)
  if (!globalThis.customElements)
    throw new OffstageError(
      'INVALID_OPTION',
      'A panel needs a page: call mountPanel() in the browser, not on a server.',
    )
  definePanel()
  const { target = document.body, theme = 'auto', hash, ...extras } = options
  const panel = document.createElement(tagName)
  if (theme !== 'auto') panel.setAttribute('theme', theme)
  if (hash !== undefined) panel.setAttribute('hash', hash || '')
  target.append(Object.assign(panel, extras, { scheduler }))
  return () => panel.remove()
}

/**
 * Makes `<offstage-panel>` known to the page, for those who write it in HTML or in a framework. `mountPanel` does it by itself. On a
 * server, and when it is done already, it does nothing.
 *
 * @example
 * ```ts
 * definePanel()
 * document.querySelector<OffstagePanel>('offstage-panel')!.scheduler = scheduler
 * ```
 */
export function definePanel(): void {
  const { customElements } = globalThis as { readonly customElements?: CustomElementRegistry }
  if (!customElements || customElements.get(tagName)) return
  const element = makeElement()
  for (const name of properties)
    Object.defineProperty(element.prototype, name, {
      get(this: InstanceType<typeof element>) {
        return this.given[name]
      },
      set(this: InstanceType<typeof element>, value: unknown) {
        this.give(name, value)
      },
    })
  customElements.define(tagName, element)
}

/** Makes the class when it is needed: on a server there is nothing that it could extend. */
function makeElement() {
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(styles)

  return class extends HTMLElement {
    given: Properties = {}
    readonly #root: ShadowRoot
    readonly #sight: Sight = { top: 0, height: 0, isNarrow: false }
    readonly #resizes = new ResizeObserver(([entry]) => {
      this.#sight.isNarrow = (entry as ResizeObserverEntry).contentRect.width <= narrowMax
      this.#change()
    })
    #model: Model | undefined
    /** What is drawn, and in the address. */
    #route: Route | undefined
    #list: JobList | undefined
    #isDue = false

    constructor() {
      super()
      this.#root = this.attachShadow({ mode: 'open' })
      this.#root.adoptedStyleSheets = [sheet]
      this.#root.addEventListener('keydown', (event) => this.#onKey(event as KeyboardEvent))
    }

    connectedCallback(): void {
      // What was set before the element was known is no property of the class yet.
      for (const name of properties) {
        if (!Object.hasOwn(this, name)) continue
        const { [name]: value } = this as Properties
        delete (this as Properties)[name]
        this.give(name, value)
      }
      this.#resizes.observe(this)
      addEventListener('hashchange', this.#onHash)
      this.#start()
    }

    disconnectedCallback(): void {
      this.#resizes.disconnect()
      removeEventListener('hashchange', this.#onHash)
      this.#stop()
    }

    give(name: keyof Properties, value: unknown): void {
      if (name === 'scheduler' && value !== undefined) check.checkArgument(name, schedulerCheck, value)
      this.given[name] = value
      // It starts when it is put into a page.
      if (!this.isConnected) return
      this.#stop()
      this.#start()
    }

    /** The word with which our hash begins; empty if the address is not ours. */
    get #key(): string {
      return this.getAttribute('hash') ?? 'offstage'
    }

    #start(): void {
      const { scheduler, ...extras } = this.given
      if (!scheduler || this.#model) return
      const route = this.#route ?? routeOf(this.#key && location.hash, this.#key)
      this.#route = route
      this.#model = new Model(scheduler as Scheduler, extras as Extras, route, () => this.#change())
      this.#change()
    }

    #stop(): void {
      this.#model?.close()
      this.#model = undefined
      render('', this.#root)
    }

    /** Draws before the next frame, however often it is called. */
    #change(): void {
      if (this.#isDue) return
      this.#isDue = true
      requestAnimationFrame(() => {
        this.#isDue = false
        this.#draw()
      })
    }

    #draw(): void {
      const model = this.#model
      if (!model) return
      const hadFocus = this.#root.activeElement !== null
      model.active = Math.max(0, Math.min(model.active, model.list.size - 1))
      render(panelView(model, { sight: this.#sight, onScroll: this.#onScroll, download: this.#download }), this.#root)
      const list = this.#find('.list')
      if (list && this.#list !== model.list) list.scrollTop = 0
      this.#list = model.list
      if (list && list.clientHeight !== this.#sight.height) {
        this.#sight.height = list.clientHeight
        this.#change()
      }
      const dialog = this.#find<HTMLDialogElement>('dialog')
      if (dialog && dialog.open !== Boolean(model.bulk)) model.bulk ? dialog.showModal() : dialog.close()
      const before = this.#route as Route
      if (before === model.route) return
      this.#route = model.route
      if (hadFocus && before.job !== model.route.job) (this.#find('.job') ?? list)?.focus()
      if (this.#key && isFree(location.hash, this.#key)) this.#write(before, model.route)
    }

    /** What can be gone back to gets an entry in the history of the page. */
    #write(before: Route, route: Route): void {
      const hash = hashOf(route, this.#key)
      if (hash === location.hash) return
      const isElsewhere = before.view !== route.view || before.job !== route.job
      const url = hash || location.pathname + location.search
      history[isElsewhere ? 'pushState' : 'replaceState'](history.state, '', url)
    }

    readonly #onHash = () => {
      const { hash } = location
      if (!this.#key || !isFree(hash, this.#key) || !this.#model) return
      this.#route = routeOf(hash, this.#key)
      this.#model.go(this.#route)
    }

    #find<Found extends HTMLElement>(selector: string): Found | null {
      return this.#root.querySelector<Found>(selector)
    }

    readonly #onScroll = (event: Event) => {
      const list = event.target as HTMLElement
      this.#sight.top = list.scrollTop
      if (list.scrollTop + 3 * list.clientHeight > list.scrollHeight) this.#model?.list.more()
      this.#change()
    }

    #onKey(event: KeyboardEvent): void {
      const model = this.#model
      const target = event.target as HTMLElement
      if (!model || model.bulk || event.ctrlKey || event.metaKey || event.altKey) return
      const isTyping = target instanceof HTMLInputElement
      if (event.key === '/' && !isTyping) {
        model.go({ view: 'jobs' })
        this.#draw()
        this.#find('[name=text]')?.focus()
      } else if (event.key === 'Escape' && model.job) model.go({ job: '' })
      else if (target.matches('.list')) {
        if (event.key === 'Enter') model.go({ job: model.list.at(model.active)?.id ?? '' })
        else if (!this.#move(model, event.key)) return
      } else return
      event.preventDefault()
    }

    /** Moves to another row, and scrolls to it. Returns whether the key does that. */
    #move(model: Model, key: string): boolean {
      const rowHeight = rowHeightOf(this.#sight)
      const list = this.#find('.list') as HTMLElement
      const head = this.#find('.head')?.offsetHeight ?? 0
      const room = list.clientHeight - head
      const page = Math.max(1, Math.floor(room / rowHeight) - 1)
      const last = model.list.size - 1
      const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -last, End: last }[key]
      if (by === undefined) return false
      model.active = Math.max(0, Math.min(last, model.active + by))
      const top = model.active * rowHeight
      if (top < list.scrollTop) list.scrollTop = top
      else if (top + rowHeight > list.scrollTop + room) list.scrollTop = top + rowHeight - room
      this.#change()
      return true
    }

    readonly #download = async (id?: string) => {
      const model = this.#model
      try {
        const json = await model?.export(id)
        const href = URL.createObjectURL(new Blob([json ?? ''], { type: 'application/json' }))
        Object.assign(document.createElement('a'), {
          href,
          download: `${id === undefined ? 'jobs' : 'job'}.json`,
        }).click()
        systemClock.startTimer(() => URL.revokeObjectURL(href), downloadMs, false)
      } catch (error) {
        model?.fail(error)
      }
    }
  }
}
