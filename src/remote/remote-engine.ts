import type { Engine } from '../engine/engine.ts'
import type { EngineHost } from '../engine/engine-host.ts'
import { JobView } from '../engine/job-view.ts'
import { EventBus } from '../events/event-bus.ts'
import { Client } from './client.ts'
import { makePrefix } from './requests.ts'

/** A client as the whole engine of a scheduler, which runs nothing itself. Its maker connects it. */
export class RemoteEngine extends Client implements Engine {
  constructor({ clock, random, errors, reportUnhandled }: EngineHost) {
    const bus = new EventBus(() => clock.now(), reportUnhandled)
    super({ clock, errors, bus, idPrefix: makePrefix(random), makeJob: (record) => new JobView(record) })
  }

  /** What can be copied can be sent. The engine that runs the jobs decides whether its store can keep it. */
  check(): void {}
}
