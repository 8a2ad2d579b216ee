/**
 * Decides which of several tabs leads, and opens the way to it.
 *
 * A queued Web Lock decides, never a clock. A tab that begins to lead calls `lead` to all, under a number (the epoch) above all that
 * it knows of. Messages of earlier leaders are ignored from then on. A tab that follows, or has just come, calls `hello`, and the
 * leader opens a line to it. Each tab holds a lock of its own as well. So the leader learns when a tab is gone, however it went.
 *
 * Before its page is frozen or put aside, a tab releases its locks and channels. When the page is back, it queues again.
 */

import type { Channel, TabPlatform } from '../platform/tabs.ts'
import type { Post } from '../remote/connection.ts'
import { isWelcome } from '../remote/shapes.ts'
import type { Message } from '../remote/wire.ts'
import type { Clock } from '../shared/clock.ts'
import { OffstageError } from '../shared/errors.ts'
import { type Call, type Envelope, isCall, isEnvelope } from './messages.ts'
import { otherVersion, tabsVersion } from './version.ts'

/** The tab that takes part. */
export interface Candidate {
  /** Whether it can run jobs. A tab that cannot always follows. */
  readonly canLead: boolean
  /** The tab holds the lock. It calls `lead` once its store is open. */
  onElected(): void
  /** The tab leads no longer, or is not to lead: it releases everything but its promises. */
  onDeposed(): void
  /** A leader has welcomed this tab, and receives what is posted. */
  connect(post: Post): void
  /** No leader is known. */
  disconnect(): void
  /** The leader has sent these. */
  receive(messages: readonly Message[]): void
  /** A tab of another version leads: to wait longer is of no use. */
  stopWaiting(): void
  /** Another tab wants to follow. */
  onFollower(tab: string): void
  /** There is a tab of another version. Called once. */
  onOther(error: OffstageError): void
  /** The tab can neither lead nor follow. */
  onFailed(error: OffstageError): void
}

/** The way from the leader to one follower. */
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
        : `the browser refuses Web Locks here (${(cause as Error)?.message ?? cause}), as it does in sandboxed frames and in those of another site.`
    }`,
    cause === undefined ? {} : { cause },
  )

export class Election {
  readonly #name: string
  readonly #tab: string
  readonly #platform: TabPlatform | undefined
  readonly #clock: Clock
  readonly #candidate: Candidate
  #standing: 'follows' | 'opens' | 'leads' = 'follows'
  /** The epoch of the newest leader that this tab knows of. */
  #epoch = 0
  /** The leader that has welcomed this tab, and the line on which it did. */
  #leader: string | undefined
  #line: number | undefined
  /** The number of the last line that this tab has opened as the leader. */
  #lastLine = 0
  /** When this tab leads, it welcomes no more followers. */
  isClosing = false
  /** The leader is of another version. */
  isApart = false
  #hasReportedOther = false
  #isAwake = false
  /** The tab holds the lock of its own. */
  #isPresent = false
  #calls: Channel | undefined
  #channel: Channel | undefined
  #releases: (() => void)[] = []
  #stopListening: (() => void) | undefined
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
    this.#stopListening = this.#platform.onSleep(
      () => this.#sleep(),
      () => this.#wake(),
    )
    this.#wake()
  }

  close(): void {
    this.#isClosed = true
    this.#stopListening?.()
    this.#sleep()
  }

  #wake(): void {
    if (this.#isAwake || this.#isClosed) return
    this.#isAwake = true
    const { openChannel } = this.#platform as TabPlatform
    this.#calls = openChannel(this.#name, (call) => isCall(call) && this.#receiveCall(call))
    this.#channel = openChannel(
      `${this.#name}:${this.#tab}`,
      (envelope) => isEnvelope(envelope) && this.#receiveEnvelope(envelope),
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
      // The lock was stolen, or taken away with the page. After any other error, to queue again would be of no use.
      if ((cause as Error)?.name === 'AbortError') this.queueAnew()
      else this.#candidate.onFailed(noLocks(cause))
    }
    this.#releases.push((this.#platform as TabPlatform).requestLock(name, onHeld, onLost))
  }

  /** Releases the lock, and goes to the end of the queue. */
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

  /** `onGone` is called when the tab is gone. */
  openLine(tab: string, receive: (messages: readonly Message[]) => void, onGone: () => void): Line {
    const { openChannel, requestLock } = this.#platform as TabPlatform
    const name = `${this.#name}:${tab}`
    const [epoch, line] = [this.#epoch, ++this.#lastLine]
    const channel = openChannel(name, (envelope) => {
      if (!isEnvelope(envelope) || envelope.from !== tab) return
      if (envelope.epoch === epoch && envelope.line === line) receive(envelope.messages)
    })
    const release = requestLock(name, onGone, onGone)
    return {
      post: this.#postTo(channel, line),
      close() {
        channel.close()
        release()
      },
    }
  }

  #postTo(channel: Channel, line: number | undefined): Post {
    const address = { from: this.#tab, epoch: this.#epoch, version: tabsVersion, line }
    return (messages) => channel.post({ ...address, messages } satisfies Envelope)
  }

  // Following.

  #call(type: Call['type']): void {
    this.#calls?.post({ type, from: this.#tab, epoch: this.#epoch, version: tabsVersion } satisfies Call)
  }

  #sayHello(): void {
    if (this.#isPresent && this.#standing !== 'leads') this.#call('hello')
  }

  #receiveCall(call: Call): void {
    if (call.version !== tabsVersion) return this.#receiveOther(call, call.type === 'hello')
    if (call.type === 'hello') this.#receiveHello(call)
    else if (call.type === 'lead') this.#receiveLead(call)
  }

  #receiveHello({ from, epoch }: Call): void {
    if (this.#standing !== 'leads' || this.isClosing) return
    if (epoch <= this.#epoch) return this.#candidate.onFollower(from)
    // That tab knows a leader whose clock was ahead, and would take this one for an earlier leader.
    this.#epoch = epoch
    this.#announce()
  }

  #receiveLead({ epoch }: Call): void {
    if (this.#standing === 'opens') return
    if (epoch < this.#epoch) return this.#sayHello()
    // This tab has lost the lock, and the browser has not reported it yet.
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

  #receiveEnvelope(envelope: Envelope): void {
    const { from, epoch, version, line, messages } = envelope
    if (version !== tabsVersion) return this.#receiveOther(envelope, false)
    if (this.#standing !== 'follows') return
    if (epoch >= this.#epoch && isWelcome(messages)) {
      this.#leader = from
      this.#line = line
      this.#epoch = epoch
      this.isApart = false
      this.#candidate.connect(this.#postTo(this.#channel as Channel, line))
    } else if (epoch !== this.#epoch || from !== this.#leader || line !== this.#line) return
    this.#candidate.receive(messages)
  }

  /**
   * A message from a tab of another version. Neither tab understands the other. So calls in the one that does not lead wait until
   * the other is gone.
   */
  #receiveOther({ epoch, version }: Call | Envelope, isHello: boolean): void {
    if (this.#standing === 'opens') return
    if (this.#standing === 'leads') {
      if (!isHello) return
      this.#call('here')
    } else {
      // The other tab does not lead, or was replaced.
      const isFollowing = this.#leader !== undefined
      if (isHello || epoch < this.#epoch || (isFollowing && epoch === this.#epoch)) return
      this.#epoch = epoch
      this.isApart = true
      // If the leader of this tab is still there, it answers.
      if (isFollowing) this.#sayHello()
      this.#loseLeader()
      this.#candidate.stopWaiting()
    }
    if (this.#hasReportedOther) return
    this.#hasReportedOther = true
    this.#candidate.onOther(otherVersion(version))
  }
}
