import { type BatchObservableResult, type Meter, type MeterProvider, metrics } from '@opentelemetry/api'
import { metric } from './conventions.ts'

/** What observes how many jobs there are, whenever somebody collects that. */
export type Observe = (result: BatchObservableResult, gauges: Gauges) => Promise<void>

type Gauges = ReturnType<typeof gaugesOf>
type Instruments = ReturnType<typeof instrumentsOf>

/**
 * The instruments of one scheduler. Unlike a tracer, a meter that is asked for before the application has set up its SDK stays
 * without effect for ever. So the provider is asked for at each use, and the instruments are made anew when it is another one.
 */
export class CurrentInstruments {
  readonly #given: Meter | undefined
  #provider: MeterProvider | undefined
  #made: Instruments | undefined
  #observe: Observe | undefined
  #stopObserving: (() => void) | undefined

  constructor(meter: Meter | undefined) {
    this.#given = meter
  }

  get now(): Instruments {
    const provider = this.#given ? undefined : metrics.getMeterProvider()
    if (!this.#made || provider !== this.#provider) {
      const meter = this.#given ?? (provider as MeterProvider).getMeter('offstage')
      this.#provider = provider
      this.#made = instrumentsOf(meter)
      this.#observeWith(meter)
    }
    return this.#made
  }

  /** `undefined` stops it. */
  set observe(observe: Observe | undefined) {
    this.#observe = observe
    this.#made = undefined
    this.#stopObserving?.()
    this.#stopObserving = undefined
    if (observe) void this.now
  }

  #observeWith(meter: Meter): void {
    this.#stopObserving?.()
    const observe = this.#observe
    if (!observe) return
    const gauges = gaugesOf(meter)
    const callback = (result: BatchObservableResult) => observe(result, gauges)
    const all = Object.values(gauges)
    meter.addBatchObservableCallback(callback, all)
    this.#stopObserving = () => meter.removeBatchObservableCallback(callback, all)
  }
}

const instrumentsOf = (meter: Meter) => ({
  sent: meter.createCounter(metric.sent, { unit: '{message}', description: 'Jobs that were to be added.' }),
  consumed: meter.createCounter(metric.consumed, {
    unit: '{message}',
    description: 'Attempts that were given to a worker.',
  }),
  outcomes: meter.createCounter(metric.outcomes, { unit: '{job}', description: 'How jobs and their attempts ended.' }),
  processDuration: meter.createHistogram(metric.processDuration, {
    unit: 's',
    description: 'From when an attempt was given to a worker until its end was committed.',
  }),
  waitDuration: meter.createHistogram(metric.waitDuration, {
    unit: 's',
    description: 'From when a job was due until it was given to a worker.',
  }),
})

const gaugesOf = (meter: Meter) => ({
  jobs: meter.createObservableGauge(metric.jobs, { unit: '{job}', description: 'Jobs in each state.' }),
  depth: meter.createObservableGauge(metric.depth, { unit: '{job}', description: 'Jobs of a queue that could run.' }),
  running: meter.createObservableGauge(metric.running, { unit: '{job}', description: 'Jobs of a queue that run.' }),
})
