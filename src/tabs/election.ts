/**
 * Who of several tabs leads, and how the others reach it.
 *
 * It is settled by a queued Web Lock, never by a clock. A tab that comes to lead says so to all, under a number (the epoch) behind
 * all that it has heard of; what comes from a leader before is ignored. A tab that follows, or has just come, says hello; the leader
 * opens a line to it. Each tab holds a lock of its own as well, so that the leader learns when it is gone, however it went.
 *
 * A tab whose page is about to be frozen or put aside lets go of locks and channels before, and queues again when it is back.
 */

import type { Channel, TabPlatform } from '../platform/tabs.ts'
import type { Post } from '../remote/connection.ts'
import { isWelcome } from '../remote/shapes.ts'
import type { Message } from '../remote/wire.ts'
import type { Clock } from '../shared/clock.ts'
import { OffstageError } from '../shared/errors.ts'
import { type Call, type Envelope, isCall, isEnvelope } from './messages.ts'
import { otherVersion, tabsVersion } from './version.ts'

/** The tab, as its election sees it. */
export interface Candidate {
  /** Whether it can run jobs at all; else it only ever follows. */
  readonly canLead: boolean
  /** The lock is ours. `lead` is to be called once the store is open. */
  onElected(): void
  /** Leads no longer, or is not to come to lead: lets go of everything but the promises. */
  onDeposed(): void
  /** A leader has welcomed this tab: this is the way to it. */
  connect(post: Post): void
  /** Nobody is known to lead. */
  disconnect(): void
  /** The leader says something. */
  hear(messages: readonly Message[]): void
  /** Nothing will come of it, for long: one of another version leads. */
  hurry(): void
  /** Another tab wants to follow. */
  onFollower(tab: string): void
  /** There is a tab of another version. Told once. */
  onOther(error: OffstageError): void
  /** It cannot go on. */
  onFailed(error: OffstageError): void
}

/** To a tab that follows. */
export interface Line {
  readonly post: Post
  close(): void
}

const noLocks = (cause?: unknown): OffstageError =>
  new OffstageError(
    'STORE_LOCKED',
    `Several tabs cannot be kept apart: ${
      cause === undefined
        ? 'there are no Web Locks here; the page needs a secure context (https or localhost).'
        : `the browser refuses Web Locks here (${(cause as Error)?.message ?? cause}), as it does in frames that may keep nothing: sandboxed ones, and those of another site.`
    }`,
    cause === undefined ? {} : { cause },
  )

export class Election {
  readonly #name: string
  /** Of this tab. */
  readonly #tab: string
  readonly #platform: TabPlatform | undefined
  readonly #clock: Clock
  readonly #candidate: Candidate
  #standing: 'follows' | 'opens' | 'leads' = 'follows'
  /** Of the newest leader that was heard of. */
  #epoch = 0
  /** That has welcomed this tab. */
  #leader: string | undefined
  /** Welcomes nobody any more. */
  isClosing = false
  /** The leader is of another version; and whether it was ever told that there is such a tab. */
  isApart = false
  #hasToldOfOther = false
  #isAwake = false
  /** Holds the lock of its own. */
  #isPresent = false
  #calls: Channel | undefined
  #channel: Channel | undefined
  #releases: (() => void)[] = []
  #stopListening: (() => void)[] = []
  #isClosed = false

  constructor(name: string, tab: string, platform: TabPlatform | undefined, clock: Clock, candidate: Candidate) {
    this.#name = name
    this.#tab = tab
    this.#platform = platform
    this.#clock = clock
    this.#candidate = candidate
  }

  // Waking and sleeping.

  open(): void {
    if (!this.#platform) return this.#candidate.onFailed(noLocks())
    const [sleep, wake] = [() => this.#sleep(), () => this.#wake()]
    this.#stopListening = [this.#platform.onSleep(sleep, wake)]
    wake()
  }

  close(): void {
    this.#isClosed = true
    for (const stop of this.#stopListening) stop()
    this.#sleep()
  }

  #wake(): void {
    if (this.#isAwake || this.#isClosed) return
    this.#isAwake = true
    const { openChannel } = this.#platform as TabPlatform
    this.#calls = openChannel(this.#name, (call) => isCall(call) && this.#hearCall(call))
    this.#channel = openChannel(
      `${this.#name}:${this.#tab}`,
      (envelope) => isEnvelope(envelope) && this.#hearEnvelope(envelope),
    )
    this.#lock(`${this.#name}:${this.#tab}`, () => {
      this.#isPresent = true
      this.#sayHello()
    })
    if (this.#candidate.canLead)
      this.#lock(this.#name, () => {
        this.#standing = 'opens'
        this.#loseLeader()
        this.#candidate.onElected()
      })
  }

  #lock(name: string, onHeld: () => void): void {
    const onLost = (cause: unknown) => {
      // Stolen, or taken away with the page. Anything else would only happen again.
      if ((cause as Error)?.name === 'AbortError') this.queueAnew()
      else this.#candidate.onFailed(noLocks(cause))
    }
    this.#releases.push((this.#platform as TabPlatform).requestLock(name, onHeld, onLost))
  }

  /** Back to the end of the queue. */
  queueAnew(): void {
    this.#sleep()
    this.#wake()
  }

  #sleep(): void {
    if (!this.#isAwake) return
    this.#isAwake = false
    this.#isPresent = false
    this.#candidate.onDeposed()
    this.#standing = 'follows'
    this.#loseLeader()
    this.#calls?.close()
    this.#channel?.close()
    for (const release of this.#releases.splice(0)) release()
  }

  // Leading.

  /** The store is open. */
  lead(): void {
    this.#standing = 'leads'
    this.isApart = false
    this.#epoch = Math.max(this.#epoch, this.#clock.now())
    this.#announce()
  }

  #announce(): void {
    this.#epoch++
    this.#call('lead')
  }

  /** `onGone`: the tab is not there any more. */
  openLine(tab: string, hear: (messages: readonly Message[]) => void, onGone: () => void): Line {
    const { openChannel, requestLock } = this.#platform as TabPlatform
    const name = `${this.#name}:${tab}`
    const epoch = this.#epoch
    const channel = openChannel(name, (envelope) => {
      if (isEnvelope(envelope) && envelope.from === tab && envelope.epoch === epoch) hear(envelope.messages)
    })
    const release = requestLock(name, onGone, onGone)
    return {
      post: this.#postTo(channel),
      close() {
        channel.close()
        release()
      },
    }
  }

  #postTo(channel: Channel): Post {
    const address = { from: this.#tab, epoch: this.#epoch, version: tabsVersion }
    return (messages) => channel.post({ ...address, messages } satisfies Envelope)
  }

  // Following.

  #call(type: Call['type']): void {
    this.#calls?.post({ type, from: this.#tab, epoch: this.#epoch, version: tabsVersion } satisfies Call)
  }

  #sayHello(): void {
    if (this.#isPresent && this.#standing !== 'leads') this.#call('hello')
  }

  #hearCall(call: Call): void {
    if (call.version !== tabsVersion) return this.#hearOther(call, call.type === 'hello')
    if (call.type === 'hello') this.#hearHello(call)
    else if (call.type === 'lead') this.#hearLead(call)
  }

  #hearHello({ from, epoch }: Call): void {
    if (this.#standing !== 'leads' || this.isClosing) return
    if (epoch <= this.#epoch) return this.#candidate.onFollower(from)
    // It knew a leader whose clock was ahead of ours, and would take us for one of before.
    this.#epoch = epoch
    this.#announce()
  }

  #hearLead({ epoch }: Call): void {
    if (this.#standing === 'opens') return
    if (epoch < this.#epoch) return this.#sayHello()
    // The lock is lost, and the browser has yet to say so.
    if (this.#standing === 'leads') this.#sleep()
    this.#epoch = epoch
    this.#loseLeader()
    this.#wake()
    this.#sayHello()
  }

  #loseLeader(): void {
    if (this.#leader === undefined) return
    this.#leader = undefined
    this.#candidate.disconnect()
  }

  #hearEnvelope(envelope: Envelope): void {
    const { from, epoch, version, messages } = envelope
    if (version !== tabsVersion) return this.#hearOther(envelope, false)
    if (this.#standing !== 'follows') return
    if (epoch >= this.#epoch && isWelcome(messages)) {
      this.#leader = from
      this.#epoch = epoch
      this.isApart = false
      this.#candidate.connect(this.#postTo(this.#channel as Channel))
    } else if (epoch !== this.#epoch || from !== this.#leader) return
    this.#candidate.hear(messages)
  }

  /**
   * A tab of another version. Neither understands the other, so what is called in the one that does not lead waits until the
   * other is gone.
   */
  #hearOther({ epoch, version }: Call | Envelope, isHello: boolean): void {
    if (this.#standing === 'opens') return
    if (this.#standing === 'leads') {
      if (!isHello) return
      this.#call('here')
    } else {
      // It does not lead, or has been replaced.
      const isFollowing = this.#leader !== undefined
      if (isHello || epoch < this.#epoch || (isFollowing && epoch === this.#epoch)) return
      this.#epoch = epoch
      this.isApart = true
      // If the leader that it knew is still there, that one will say so.
      if (isFollowing) this.#sayHello()
      this.#loseLeader()
      this.#candidate.hurry()
    }
    if (this.#hasToldOfOther) return
    this.#hasToldOfOther = true
    this.#candidate.onOther(otherVersion(version))
  }
}
