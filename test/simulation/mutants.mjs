// Bugs, planted one at a time in the real sources. The simulation must find every one of them.

const journal = 'src/store/journal.ts'
const recovery = 'src/store/recovery.ts'
const compaction = 'src/store/compaction.ts'
const medium = 'src/store/file-medium.ts'
const writes = 'src/store/file-writes.ts'
const lock = 'src/store/folder-lock.ts'
const attachments = 'src/store/file-attachments.ts'
const frame = 'src/store/frame.ts'
const scanner = 'src/store/frame-scanner.ts'
const search = 'src/store/frame-search.ts'
const writer = 'src/store/batch-writer.ts'
const steps = 'src/engine/steps.ts'
const groupCommit = 'src/engine/group-commit.ts'
const engine = 'src/engine/local-engine.ts'
const jobs = 'src/engine/jobs.ts'
const intake = 'src/engine/intake.ts'
const dispatcher = 'src/engine/dispatcher.ts'
const outcomes = 'src/engine/outcomes.ts'
const lifecycle = 'src/engine/lifecycle.ts'
const move = 'src/job/transition.ts'
const pool = 'src/pool/pool.ts'
const blame = 'src/pool/blame.ts'
const poolWorker = 'src/pool/pool-worker.ts'
const starter = 'src/pool/starter.ts'
const probation = 'src/pool/probation.ts'
const line = 'src/queue/line.ts'
const lines = 'src/engine/lines.ts'
const index = 'src/engine/job-index.ts'
const suspects = 'src/engine/suspects.ts'
const retention = 'src/engine/retention.ts'
const timerQueue = 'src/timers/timer-queue.ts'
const limiter = 'src/queue/limiter.ts'
const rateLimit = 'src/queue/rate-limit.ts'
const starts = 'src/queue/starts.ts'
const extensions = 'src/engine/extensions.ts'
const attached = 'src/engine/attached.ts'
const refusedTurns = 'src/engine/refused-turns.ts'
const turn = 'src/engine/turn.ts'
const runner = 'src/schedules/schedules-extension.ts'
const scheduleRow = 'src/schedules/schedule-row.ts'
const tick = 'src/schedules/tick.ts'
const recurrence = 'src/schedules/recurrence.ts'
const dedupe = 'src/dedupe/dedupe-extension.ts'

/**
 * `isJournal`: it takes a state that is rare, and that runs of the journal alone reach more often.
 * @typedef {{ name: string, file: string, find: string, replace: string, isJournal?: true }} Mutant
 */

/** @type {Mutant[]} */
export const mutants = [
  // Blobs beside the journal.
  {
    name: 'a blob is not synced before the frame that names it',
    file: attachments,
    find: '      await file.sync()\n',
    replace: '',
    isJournal: true,
  },
  {
    name: 'the name of a blob is not synced before the frame that names it',
    file: attachments,
    find: '      await this.#disk.syncFolder(this.#folder)\n',
    replace: '',
    isJournal: true,
  },
  {
    name: 'a blob is taken back although its frame may be there',
    file: medium,
    find: '    const cause = causeOf(error)\n    // Another program',
    replace: '    await this.#attachments.takeBack(kept)\n    const cause = causeOf(error)\n    // Another program',
    isJournal: true,
  },
  {
    name: 'a blob goes before its removal is sealed',
    file: journal,
    find: '      await this.#append(changes)\n      this.#isSealed = false\n',
    replace: '      await this.#append(changes)\n      this.#isSealed = false\n      await this.#removeLoose()\n',
    isJournal: true,
  },
  {
    name: 'blobs that a crash left behind stay',
    file: journal,
    find: 'if (orphans.length > 0) await',
    replace: 'if (orphans.length < 0) await',
    isJournal: true,
  },
  // The file.
  {
    name: 'acknowledged before the sync',
    file: writes,
    find: 'Promise.allSettled([file.write(frame, offset, expected), file.sync()])',
    replace: 'Promise.allSettled([file.write(frame, offset, expected), Promise.resolve()])',
  },
  {
    name: 'a long frame is not synced',
    file: writes,
    find: '    if (isStrict) await file.sync()\n    return\n',
    replace: '    return\n',
  },
  {
    name: 'the rest of a short write is not synced',
    file: writes,
    find: 'offset + writing.value)\n  await file.sync()\n',
    replace: 'offset + writing.value)\n',
  },
  {
    name: 'a seal of a relaxed journal is not synced',
    isJournal: true,
    file: medium,
    find: 'writeAndSync(file, frame, expected, this.#isStrict || isSeal)',
    replace: 'writeAndSync(file, frame, expected, this.#isStrict)',
  },
  {
    name: 'a seal of a relaxed journal is written before the rest is durable',
    isJournal: true,
    file: medium,
    find: '      if (isSeal && !this.#isStrict) await file.sync()\n',
    replace: '',
  },
  {
    name: 'a short write is ignored',
    file: writes,
    find: '  if (writing.value === frame.length) return\n',
    replace: '  return\n',
  },
  {
    name: 'a short write ends the writing of a long frame',
    file: writes,
    find: '      done += await file.write(piece, offset + done, done === 0 ? expected : undefined)',
    replace:
      '      done += Math.max(await file.write(piece, offset + done, done === 0 ? expected : undefined), piece.length)',
  },
  {
    name: 'no truncate after a full disk',
    file: medium,
    find: '        await file.truncate(this.#size)\n',
    replace: '',
  },
  {
    name: 'a failed sync is tried again on the same descriptor',
    file: writes,
    find: "  if (syncing.status === 'rejected') throw syncing.reason\n",
    replace: "  if (syncing.status === 'rejected') await file.sync()\n",
  },
  {
    name: 'nobody looks at the size before a write',
    file: writes,
    find: 'file.write(frame, offset, expected), file.sync()',
    replace: 'file.write(frame, offset), file.sync()',
  },
  {
    name: 'another size than expected is taken for ours',
    file: medium,
    find: "codeOf(cause) === 'ECHANGED'",
    replace: "codeOf(cause) === 'never'",
  },
  {
    name: 'the snapshot is published without a sync',
    file: medium,
    find: '        await this.#attempt(() => file.sync())\n        const { identity }',
    replace: '        const { identity }',
  },
  {
    name: 'the folder is not synced after a rename',
    file: medium,
    find: '        await this.#attempt(() => this.#disk.syncFolder(this.#folder))\n        this.#isUncertain = false',
    replace: '        this.#isUncertain = false',
  },
  {
    name: 'a rename that may have failed is passed over',
    file: medium,
    find: '        this.#isUncertain = true\n',
    replace: '',
  },
  {
    name: 'the names above are not made durable',
    file: medium,
    find: '      await this.#secureNames()\n',
    replace: '',
  },
  {
    name: 'what a failed sync left behind is trusted',
    file: medium,
    find: '      await this.#writeAgain(from)\n',
    replace: '',
  },
  { name: 'the torn end is not cut', file: medium, find: '      await file.truncate(offset)\n', replace: '' },
  {
    name: 'the size after a snapshot is forgotten',
    file: medium,
    find: '        this.#size = size\n        this.#identity',
    replace: '        this.#identity',
  },
  {
    name: 'the folder is not owned',
    file: lock,
    find: '    if (leftMs <= 0 || signal?.aborted) throw locked(folder, owned)\n',
    replace: '    if (leftMs <= 0) return async () => {}\n',
  },
  // Frames.
  {
    name: 'checksums are not verified',
    file: scanner,
    find: '    this.#isBad = !isIntact(rest, header.length)\n',
    replace: '',
  },
  {
    name: 'frames of another generation are taken for ours',
    isJournal: true,
    file: search,
    find: 'salt === chain.salt && ',
    replace: '',
  },
  {
    name: 'an older frame counts as one behind the damage',
    isJournal: true,
    file: search,
    find: ' && sequence > chain.sequence + 1',
    replace: '',
  },
  {
    name: 'the checksum of the frame before is not written',
    file: frame,
    find: 'view.setUint32(36, chain.checksum, true)',
    replace: 'view.setUint32(36, 0, true)',
  },
  {
    name: 'the end is cut although a later frame is whole',
    isJournal: true,
    file: scanner,
    find: 'if (proof !== undefined) return',
    replace: 'if (proof === -1) return',
  },
  {
    name: 'a relaxed frame counts as one behind the damage',
    isJournal: true,
    file: search,
    find: 'if (header.isRelaxed) ',
    replace: 'if (header.isRelaxed && header.version === 0) ',
  },
  {
    name: 'a batch counts before its last frame is there',
    file: scanner,
    find: '    if (!goesOn) {\n',
    replace: '    if (length >= 0) {\n',
  },
  {
    name: 'the end is cut behind the last whole frame of a batch that is not whole',
    file: scanner,
    find: "return { kind: 'torn', chain, size, unsureAt, bytes",
    replace: "return { kind: 'torn', chain: this.#chain ?? chain, size: this.#at, unsureAt, bytes",
  },
  {
    name: 'the frames of a batch do not say that it goes on',
    file: frame,
    find: '(goesOn ? flagBits.goesOn : 0)',
    replace: '0',
  },
  // The journal.
  {
    name: 'applied before it is appended',
    file: journal,
    find: '    const sizes: number[] = []\n    try {\n',
    replace: '    const sizes: number[] = []\n    this.#apply(changes, sizes)\n    try {\n',
  },
  {
    name: 'a refused batch leaves its number',
    file: journal,
    find: '    await this.#medium.append(bytes, isSeal, named)\n    this.#chain = chain\n',
    replace: '    this.#chain = chain\n    await this.#medium.append(bytes, isSeal, named)\n',
  },
  {
    name: 'a refused batch leaves its first frames',
    file: journal,
    find: '      await this.#takeBack(chain, size)\n',
    replace: '',
  },
  {
    name: 'a broken file counts as a full disk',
    file: journal,
    find: "      if (failure === 'broken') {\n",
    replace: '      if (failure === undefined) {\n',
  },
  {
    name: 'a new generation lacks the batch it was for',
    file: journal,
    find: '        this.#apply(changes, sizes)\n        return this.#renewOrStop(error)\n',
    replace: '        return this.#renewOrStop(error)\n',
  },
  {
    name: 'records of a batch that does not count stay',
    file: recovery,
    find: '    if (isFinal) return found\n',
    replace: '    return found\n',
  },
  {
    name: 'nobody is told what was cut off',
    file: recovery,
    find: '    host.report(cutOffError(medium.place, verdict, kept, isRelaxed))\n',
    replace: '',
  },
  {
    name: 'seals of a relaxed journal are relaxed',
    isJournal: true,
    file: journal,
    find: 'this.#isRelaxed && !isSeal',
    replace: 'this.#isRelaxed',
  },
  {
    name: 'changes behind the cursor do not follow',
    file: compaction,
    find: 'if (record && record.seq <= this.#cursor) this.#behind.push(change)\n    else if',
    replace: 'if',
  },
  {
    name: 'changes ahead of the cursor follow as well',
    file: compaction,
    find: 'record.seq <= this.#cursor',
    replace: 'record.seq >= 0',
  },
  {
    name: 'rows are lost in a compaction',
    file: compaction,
    find: '    yield* this.#records.rows()\n',
    replace: '',
  },
  {
    name: 'rows that change while a snapshot is written do not follow',
    file: compaction,
    find: '    else if (rows) this.#behind.push({ before: undefined, after: undefined, rows })\n',
    replace: '',
  },
  {
    name: 'a row that is gone is stored as if it were there',
    file: writer,
    find: 'isGone ? operations.drop : operations.put',
    replace: 'operations.put',
  },
  {
    name: 'a snapshot is published while a commit is on its way',
    file: journal,
    find: '      if (isGentle) await this.#takeTurn(compaction.abandoned)\n      hasTurn = isGentle\n',
    replace: '',
  },
  {
    name: 'the chain of the old generation goes on in the new',
    file: journal,
    find: '      await compaction.publish()\n      this.#chain = chain\n',
    replace: '      await compaction.publish()\n',
  },
  {
    name: 'no seal on closing',
    file: journal,
    find: '    try {\n      await this.#seal()\n    } catch {',
    replace: '    try {\n    } catch {',
  },
  {
    name: 'two append at a time',
    file: journal,
    find: '    while (this.#turn) await',
    replace: '    if (this.#turn === null) await',
  },
  {
    name: 'the seal timer outlives the journal',
    file: journal,
    find: '    this.#isClosing = true\n    this.#stopSealTimer?.()\n    this.#stopSealTimer = undefined\n',
    replace: '    this.#isClosing = true\n',
  },
  // What is written.
  {
    name: 'interruptions are not stored',
    file: writer,
    find: '    if (mask & bits.interruptions) out.varint(after.interruptions)\n',
    replace: '    if (mask & bits.interruptions) out.varint(0)\n',
  },
  {
    name: 'a change of priority is not stored',
    file: writer,
    find: '  if (!Object.is(before.priority, after.priority)) mask |= bits.priority\n',
    replace: '',
  },
  {
    name: 'a removal is not stored',
    file: writer,
    find: '    else if (before) this.#begin(operations.remove, before.seq)\n',
    replace: '',
  },
  {
    name: 'failures are not stored',
    file: writer,
    find: '  if (!Object.is(before.failures, after.failures)) mask |= bits.failures\n',
    replace: '',
  },
  // The group commit.
  {
    name: 'told before it is safe',
    file: groupCommit,
    find: '        () => this.#committed(steps),\n',
    replace: '        () => {},\n',
  },
  {
    name: 'completions of a refused batch are dropped',
    file: groupCommit,
    find: '    const all = [...steps, ',
    replace: '    const all = [',
  },
  {
    name: 'what was refused goes behind what came later',
    file: groupCommit,
    find: 'const all = [...steps, ...this.#gathering]',
    replace: 'const all = [...this.#gathering, ...steps]',
  },
  {
    name: 'a refused batch is not tried again',
    file: groupCommit,
    find: 'startTimer(() => this.tryAgain(), retryMs, true)',
    replace: 'startTimer(() => {}, retryMs, true)',
  },
  {
    name: 'a batch in flight counts as safe',
    file: groupCommit,
    find: '    if (!this.#isBusy) return Promise.resolve()\n',
    replace: '    return Promise.resolve()\n',
  },
  {
    name: 'of what is refused only the jobs fall, not what was done for them',
    file: steps,
    find: '(call && calls.has(call))',
    replace: 'false',
  },
  {
    name: 'who found a job that is refused is not refused',
    file: steps,
    find: '      if (jobs.has(job) || (!before && after && ids.has(after.id))) calls.add(call)\n',
    replace: '',
  },
  // Extensions.
  {
    name: 'rows follow in another batch than the start that they follow from',
    file: outcomes,
    find: '    this.#dispatcher.pump()\n    extensions?.follow()\n',
    replace: '    this.#dispatcher.pump()\n',
  },
  {
    name: 'what an add led to is written when it has returned',
    file: extensions,
    find: "    return this.admits || this.#ofAll.has('insert') || requests.some(",
    replace: '    return requests.some(',
  },
  {
    name: 'rows stay when their turn is refused',
    file: extensions,
    find: '    for (const each of writing.attached) each.pending--\n    writing.restoreRows()\n',
    replace: '    for (const each of writing.attached) each.pending--\n',
  },
  {
    name: 'rows are taken back, the first first',
    file: turn,
    find: 'this.#before.reverse()',
    replace: 'this.#before',
  },
  {
    name: 'what was built upon a refused turn is not done anew',
    file: extensions,
    find: 'for (const act of this.#toRedo.splice(0)) {',
    replace: 'for (const act of this.#toRedo.splice(this.#toRedo.length)) {',
  },
  {
    name: 'what was built upon a refused turn stays',
    file: refusedTurns,
    find: '(writing && [...writing.attached].some((each) => touched.has(each)))',
    replace: 'false',
  },
  {
    name: 'a turn does not fall with its call',
    file: extensions,
    find: "type: 'turn', before: undefined, after: undefined, call,",
    replace: "type: 'turn', before: undefined, after: undefined, call: undefined,",
  },
  {
    name: 'what no extension has followed yet is followed although it is refused',
    file: extensions,
    find: '.slice(this.#next).filter((step) => !fallen.has(step)))\n',
    replace: '.slice(this.#next))\n',
  },
  {
    name: 'a turn that may be refused is not told so',
    file: outcomes,
    find: '        this.#refusals.set(job, error)\n        this.#jobs.extensions',
    replace: '        this.#jobs.extensions',
  },
  {
    name: 'a job that is marked loses its mark when it is stored',
    file: writer,
    find: '[marks, headers, retryForMs]',
    replace: '[headers, retryForMs]',
  },
  {
    name: 'a job that is added marked is not',
    file: 'src/engine/intake.ts',
    find: '    if (markRules) record.rules = markRules(record.rules)\n',
    replace: '',
  },
  {
    name: 'what is stored when it is opened is not reconciled',
    file: attached,
    find: 'new Map(rows.map(({ key, value }) => [key, value]))',
    replace: 'new Map()',
  },
  // Schedules.
  {
    name: 'the next time of a schedule is not written with its job',
    file: tick,
    find: '  turn.put(id, advanced(id, next, newest))\n',
    replace: '  if (coming.length === 0) turn.put(id, advanced(id, next, newest))\n',
  },
  {
    name: 'an occurrence comes again when the clock is set back',
    file: scheduleRow,
    find: 'Math.max(now, lastAt)',
    replace: 'Math.min(now, lastAt + now)',
  },
  {
    name: 'what is missed adds a job although it is to be skipped',
    file: tick,
    find: "missed === 'skip' && isMissed(newest) ? []",
    replace: "missed === 'skip' && isMissed(newest) && row.count < 0 ? []",
  },
  {
    name: 'the oldest of the missed occurrences are made up for',
    file: tick,
    find: 'due.slice(-missedMax)',
    replace: 'due.slice(0, missedMax)',
  },
  {
    name: 'a schedule adds one job more than its limit',
    file: scheduleRow,
    find: 'nextAt: row.count < limit ?',
    replace: 'nextAt: row.count <= limit ?',
  },
  {
    name: 'a job is added beside that of the occurrence before',
    file: tick,
    find: "overlap === 'skip' && active.length > 0",
    replace: "overlap === 'skip' && active.length > 1",
  },
  {
    name: 'the job of the occurrence before goes on although it is to be replaced',
    file: tick,
    find: "  if (overlap === 'replace' && !waits)\n",
    replace: "  if (overlap === 'replace' && !waits && row.count % 2 === 0)\n",
  },
  {
    name: 'what came during a pause is made up for',
    file: runner,
    find: '(isPaused ? row : advanced(id, row, later(turn.clock.now(), row)))',
    replace: 'row',
  },
  {
    name: 'an occurrence is lost when the queue is full',
    file: tick,
    find: "['QUEUE_FULL', 'SCHEDULER_CLOSED']",
    replace: "['SCHEDULER_CLOSED']",
  },
  {
    name: 'the end of a job does not let the next of its line start',
    file: tick,
    find: "  if (first !== undefined) turn.move(first, { type: 'unblock' })\n",
    replace: '',
  },
  {
    name: 'an occurrence is lost when the scheduler is closing',
    file: tick,
    find: "['QUEUE_FULL', 'SCHEDULER_CLOSED']",
    replace: "['QUEUE_FULL']",
  },
  {
    name: 'jobs that wait are forgotten when the next does not wait',
    file: tick,
    find: 'row.line.filter((each) => isActive(turn, each))\n  return { ...row, count',
    replace: '[]\n  return { ...row, count',
  },
  {
    name: 'what was missed is left out because it comes alone',
    file: tick,
    find: '(coming.length > 1 || isMissed(first))',
    replace: 'coming.length > 1',
  },
  {
    name: 'jobs wait for one whose end nobody follows',
    file: tick,
    find: '  if (waits) for (const each of active) turn.mark(each)\n',
    replace: '',
  },
  {
    name: 'jobs of a schedule that is removed wait for ever',
    file: runner,
    find: "        for (const jobId of row?.line ?? []) turn.move(jobId, { type: 'unblock' })\n",
    replace: '',
  },
  {
    name: 'a schedule whose change was refused keeps the time of the change',
    file: runner,
    find: '      // It may have been refused.\n      this.#follow([id])\n',
    replace: '',
  },
  {
    name: 'an occurrence comes after the last moment of its schedule',
    file: recurrence,
    find: 'at !== undefined && at <= endAt ? at : undefined',
    replace: 'at !== undefined && at < endAt + 60_000 ? at : undefined',
  },
  // Jobs with keys.
  {
    name: 'a key is free although its job has not ended',
    file: dedupe,
    find: '      turn.put(rowOfKey(name, key), { jobId: id, until, after } satisfies KeyRow)\n',
    replace:
      "      if (mode !== 'return' && mode !== 'reject') turn.put(rowOfKey(name, key), { jobId: id, until, after })\n",
  },
  {
    name: 'a key is taken although its job has ended',
    file: dedupe,
    find: '  return !isTerminal(state) || (',
    replace: '  return true || (',
  },
  {
    name: 'a key is left when its job ends',
    file: dedupe,
    find: '      turn.put(key, isHeld ? rest : undefined)\n',
    replace: '      turn.put(key, rest)\n',
  },
  {
    name: 'a key is free before its window is over',
    file: dedupe,
    find: "(mode === 'return' || mode === 'reject') && isWithin(row, now))",
    replace: "mode === 'return' && isWithin(row, now))",
  },
  {
    name: 'a key stays when its window is over',
    file: dedupe,
    find: '      for (const [key] of over) turn.put(key, undefined)\n',
    replace: '',
  },
  {
    name: 'a job starts beside the one that it is to wait for',
    file: dedupe,
    find: 'isBlocked: after !== undefined }',
    replace: 'isBlocked: false }',
  },
  {
    name: 'a job waits for one that has ended',
    file: dedupe,
    find: "    if (next !== undefined) turn.move(next, { type: 'unblock' })\n",
    replace: '',
  },
  {
    name: 'a key forgets the job that runs when the one that waits is cancelled',
    file: dedupe,
    find: 'row.after !== undefined ? { ...row, jobId: row.after, after: undefined } : row',
    replace: 'row',
  },
  {
    name: 'a job that is to be replaced stays',
    file: dedupe,
    find: '{ ...add(row.after), replace: other.id }',
    replace: 'add(row.after)',
  },
  {
    name: 'the newest input does not come to the job that waits',
    file: dedupe,
    find: "{ type: 'update', input, runAt: turn.clock.now() + (windowMs as number) }",
    replace: "{ type: 'update', runAt: turn.clock.now() + (windowMs as number) }",
  },
  {
    name: 'what was gathered before is lost with each input',
    file: dedupe,
    find: 'input: merged }',
    replace: 'input }',
  },
  {
    name: 'a job with a key is not followed',
    file: dedupe,
    find: 'isMarked: true,',
    replace: "isMarked: mode !== 'replace',",
  },
  {
    name: 'what follows from a move that stays is carried out behind what comes later',
    file: extensions,
    find: '    for (const writing of this.#toFollowAgain.splice(0)) this.#rewrite(writing)\n',
    replace:
      '    for (const writing of this.#toFollowAgain.splice(0)) this.#toRedo.push(() => this.#rewrite(writing))\n',
  },
  {
    name: 'of several extensions that follow a job one does',
    file: extensions,
    find: 'isMarked ? both(request.markRules, attached.markRules)',
    replace: 'isMarked ? attached.markRules',
  },
  {
    name: 'a job is due again by a time that was refused',
    file: extensions,
    find: "    if (step.type === 'due' && !writing && !this.#promoted.has(step)) return\n",
    replace: '',
  },
  // The engine.
  {
    name: 'what was to be replaced is gone when that is refused',
    file: jobs,
    find: '      return this.index.putBack(job)\n',
    replace: '      return\n',
  },
  {
    name: 'what was to be replaced is cancelled when that is refused',
    file: jobs,
    find: '    this.#become(job, before as JobRecord)\n',
    replace: '    this.#become(job, job.record)\n',
  },
  {
    name: 'look-ups wait until there is room',
    file: engine,
    find: 'if (this.#jobs.commits.isRefusing) return false\n',
    replace: '',
  },
  {
    name: 'what is done waits until there is room',
    file: outcomes,
    find: '        if (!inserted && this.#jobs.commits.isRefusing) throw unrecorded(error)\n',
    replace: '',
  },
  {
    name: 'look-ups find what is decided',
    file: index,
    find: 'const record = leaving ? job.committed : job.record',
    replace: 'const record = job.record',
  },
  {
    name: 'what is removed and not recorded is not found',
    file: engine,
    find: 'return there?.committed ? there : ',
    replace: 'return there?.committed ? there : true ? undefined : ',
  },
  {
    name: 'counts are of what is decided',
    file: jobs,
    find: 'return isSo ? this.index : ',
    replace: 'return isSo || true ? this.index : ',
  },
  {
    name: 'whoever waits for an idle moment waits on when the store takes nothing',
    file: outcomes,
    find: '    for (const { waiting } of this.#waits.splice(0)) waiting.reject(unrecorded(error))\n',
    replace: '',
  },
  {
    name: 'a job does not wait for the attempt of one that had its id',
    file: jobs,
    find: '    if (job.attempt) this.#staleAttempts.set(job.record.id, job.attempt)\n',
    replace: '',
  },
  {
    name: 'many jobs keep their numbers though others were added meanwhile',
    file: intake,
    find: 'if (record.seq <= this.#seq || this.#jobs.index.isNamed(record.id)) {',
    replace: 'if (this.#jobs.index.isNamed(record.id)) {',
  },
  {
    name: 'many jobs are added without another look at what is there by now',
    file: intake,
    find: '    const uncommitted = this.#checkMany(requests)\n    if (uncommitted) return',
    replace: '    const uncommitted = drafts ? undefined : this.#checkMany(requests)\n    if (uncommitted) return',
  },
  {
    name: 'a refused add stays in line',
    file: jobs,
    find: '    this.#quitLine(job)\n    this.timers.cancel(job.timer)\n    this.timers.cancel(job.expiry)\n    this.index.remove(job)\n',
    replace: '    this.timers.cancel(job.timer)\n    this.timers.cancel(job.expiry)\n',
  },
  {
    name: "a stale attempt's result is taken",
    file: dispatcher,
    find: '    this.#end(attempt)\n    if (attempt.isStale) return\n    this.#jobs.dashboard.runMs',
    replace: '    this.#end(attempt)\n    this.#jobs.dashboard.runMs',
  },
  {
    name: 'a checkpoint is said to be safe before it is',
    file: dispatcher,
    find: '    this.#jobs.move(attempt.owner, action, () => attempt.worker.confirmSave(attempt, call))',
    replace: '    this.#jobs.move(attempt.owner, action)\n    attempt.worker.confirmSave(attempt, call)',
  },
  {
    name: 'what ran in another life stays as it was',
    file: jobs,
    find: "    if (job.record.state === 'running') this.move(job, end)\n    else ",
    replace: '    ',
  },
  {
    name: 'expired jobs start',
    file: dispatcher,
    find: '      if (this.#jobs.hasExpired(job)) {\n',
    replace: '      if (this.#jobs.hasExpired(job) && this.#jobs.dashboard.isPaused) {\n',
  },
  {
    name: 'delays start again in the next life',
    file: jobs,
    find: '    else this.#place(job, undefined)\n',
    replace:
      "    else this.#place(job, undefined)\n    if (job.record.state === 'scheduled') {\n      this.timers.cancel(job.timer)\n      job.timer = this.timers.after((job.record.runAt as number) - job.record.addedAt, () => this.fallDue(job), true)\n    }\n",
  },
  {
    name: 'expiry is not counted through the gap between lives',
    file: jobs,
    find: '    this.#watchExpiry(job, undefined)\n',
    replace:
      "    if (job.record.expiresAt !== undefined) job.expiry = this.timers.after(job.record.expiresAt - job.record.addedAt, () => this.moveIfLegal(job, { type: 'expire' }))\n",
  },
  {
    name: 'the next attempt does not wait for the one before',
    file: jobs,
    find: "if (job.record.state !== 'queued' || job.attempt || job.timer) return",
    replace: "if (job.record.state !== 'queued' || job.timer) return",
  },
  {
    name: 'sequence numbers begin anew in the next life',
    file: intake,
    find: '      this.#seq = Math.max(this.#seq, record.seq)\n',
    replace: '',
  },
  {
    name: 'a pause does not hold',
    file: dispatcher,
    find: 'if (!this.mayStart || this.#jobs.dashboard.isPaused) return',
    replace: 'if (!this.mayStart) return',
  },
  {
    name: 'jobs that are open at the end keep their promises',
    file: lifecycle,
    find: 'if (!job.hasEnded) job.abandon(closed)',
    replace: 'if (job.hasEnded) job.abandon(closed)',
  },
  // Moves.
  {
    name: 'an interruption uses up an attempt',
    file: move,
    find: "  record.state = 'queued'\n  record.error = error\n",
    replace: "  record.state = 'queued'\n  record.failures++\n  record.error = error\n",
  },
  {
    name: 'a retry takes a new place in line',
    file: move,
    find: '      after.failures = 0\n',
    replace: '      after.failures = 0\n      after.dueAt = now\n',
  },
  {
    name: 'a job that ends threads is tried for ever',
    file: move,
    find: 'if (interruptions >= interruptionsMax)',
    replace: 'if (interruptions >= 1e9)',
  },
  // Jobs that end their process.
  {
    name: 'a start that ended with its process is not counted',
    file: engine,
    find: "options.wasReleased?.() ? interruption : { type: 'crash' }",
    replace: 'interruption',
  },
  {
    name: 'how many starts ended with the process is not stored',
    file: writer,
    find: '    if (mask & bits.crashes) out.varint(after.crashes)\n',
    replace: '    if (mask & bits.crashes) out.varint(0)\n',
  },
  {
    name: 'a job that ends its process is tried for ever',
    file: move,
    find: 'if (crashes >= crashesMax)',
    replace: 'if (crashes >= 1e9)',
  },
  {
    name: 'a job that was completed is held for one that ended its process',
    file: move,
    find: "      after.state = 'completed'\n      after.crashes = 0\n",
    replace: "      after.state = 'completed'\n",
  },
  {
    name: 'a job that failed in peace is held for one that ended its process',
    file: move,
    find: '  record.crashes = 0\n  if (waitMs',
    replace: '  if (waitMs',
  },
  {
    name: 'a trial begins as soon as the process has',
    file: suspects,
    find: 'Math.max(graceMs - livedMs, ',
    replace: 'Math.max(0, ',
  },
  {
    name: 'others start beside a suspect',
    file: suspects,
    find: '    if (this.#trial) return 0\n',
    replace: '',
  },
  {
    name: 'a trial begins beside what has just started',
    file: suspects,
    find: 'starter.attempts > 0 ? this.#lastStart + trialMs - now : 0',
    replace: '0',
  },
  {
    name: 'a trial is over too soon',
    file: suspects,
    find: 'this.#setTimer(this.#trial ? trialMs : turnMs)',
    replace: 'this.#setTimer(this.#trial ? trialMs / 10 : turnMs)',
  },
  {
    name: 'suspects wait for ever',
    file: suspects,
    find: '      this.#setTimer(waitMs)\n',
    replace: '',
  },
  {
    name: 'what is no message is passed over',
    file: poolWorker,
    find: '(batch[at] === fromThread.ready && this.isReady)) return false\n',
    replace: '(batch[at] === fromThread.ready && this.isReady)) return true\n',
  },
  {
    name: 'a thread may say of an attempt that it has not been sent that it is done',
    file: poolWorker,
    find: 'if (!attempt?.isSent) return',
    replace: 'if (!attempt) return',
  },
  {
    name: 'an attempt begins each time that its thread says so',
    file: pool,
    find: '      if (attempt.isBegun) return\n',
    replace: '',
  },
  {
    name: 'one attempt too many',
    file: move,
    find: 'failures >= rules.attempts',
    replace: 'failures > rules.attempts',
  },
  {
    name: 'the number of an attempt is used twice',
    file: move,
    find: '      after.attempt++\n',
    replace: '',
  },
  {
    name: 'what was completed can be retried',
    file: move,
    find: "return state === 'failed' || state === 'cancelled'",
    replace: 'return isTerminal(state)',
  },
  // Lines, threads, time.
  {
    name: 'the lowest priority goes first',
    file: line,
    find: '.priority < priority) low',
    replace: '.priority > priority) low',
  },
  {
    name: 'the last goes first',
    file: line,
    find: 'this.#others.add(item, -record.priority, record.dueAt, record.seq)',
    replace: 'this.#others.add(item, -record.priority, -record.dueAt, -record.seq)',
  },
  {
    name: 'a line keeps its place among the others when a job comes that is to go sooner',
    file: lines,
    find: 'this.#ready.raise(line, -priority, dueAt, seq)',
    replace: 'line.heapIndex += 0',
  },
  {
    name: 'a line keeps its place among the others when its head has gone',
    file: lines,
    find: 'this.#ready.lower(line, -priority, dueAt, seq)',
    replace: 'line.heapIndex += 0',
  },
  {
    name: 'a line whose gate was closed is not there when it opens',
    file: lines,
    find: '    line.limiter.leave()\n    this.#unpark(line)\n',
    replace: '    line.limiter.leave()\n',
  },
  {
    name: 'who goes before others stands behind them',
    file: line,
    find: 'isBefore(record, lane.last)',
    replace: 'isBefore(lane.last, record)',
  },
  {
    name: 'what was held for a thread is sent although it is over',
    file: poolWorker,
    find: 'if (!attempt.isSent && this.#held.includes(attempt))',
    replace: 'if (attempt.isSent)',
  },
  {
    name: 'what was sent is taken back although the thread may have it',
    file: poolWorker,
    find: 'return !attempt.isSent || this.#claims?.claim(attempt.wireId) === true',
    replace: 'return !attempt.isSent || this.#claims?.claim(attempt.wireId) !== undefined',
  },
  {
    name: 'an attempt is not offered to its thread',
    file: poolWorker,
    find: '      this.#claims?.offer(attempt.wireId)\n',
    replace: '',
  },
  {
    name: 'what is held for a thread is forgotten',
    file: outcomes,
    find: '    this.#dispatcher.pool.flush()\n',
    replace: '    if (this.#jobs.index.isIdle) this.#dispatcher.pool.flush()\n',
  },
  {
    name: 'a thread that died takes its attempts with it',
    file: pool,
    find: '    this.#lose(attempts, error, (attempt) => lossByDeath(attempt, candidates, isExact))\n',
    replace: '',
  },
  {
    name: 'what only waited on a thread is blamed',
    file: blame,
    find: "if (!candidates.includes(attempt)) return 'released'",
    replace: "if (!candidates.includes(attempt)) return 'blamed'",
  },
  {
    name: 'a job is poisoned for what the module did',
    file: probation,
    find: 'return record.interruptions >= interruptionsMax - 1',
    replace: 'return false',
  },
  {
    name: 'a thread that has just loaded shows that the module does not fail later',
    file: probation,
    find: 'now - readyAt >= ms',
    replace: 'now - readyAt >= 0',
  },
  {
    name: 'a thread lives too short to show that',
    file: probation,
    find: '1.5 * livedMs + 100',
    replace: '0.5 * livedMs',
  },
  {
    name: 'a thread that ends on probation is waited for',
    file: pool,
    find: 'const waitedFor = worker.probation ?? worker.ready',
    replace: 'const waitedFor = worker.ready',
  },
  {
    name: 'an attempt is sent before its start is safe',
    file: dispatcher,
    find: '    job.attempt = this.pool.reserve(worker, job, job.record, transferOf(job), job.mustRunAlone)\n',
    replace:
      '    job.attempt = this.pool.reserve(worker, job, job.record, transferOf(job), job.mustRunAlone)\n    this.pool.send(job.attempt)\n',
  },
  {
    name: 'a checkpoint is not given to the next attempt',
    file: poolWorker,
    find: 'checkpoint === undefined && steps === undefined && !headers',
    replace: 'steps === undefined && !headers',
  },
  {
    name: 'headers are not given to an attempt',
    file: poolWorker,
    find: ', ...(headers && { headers }) }',
    replace: ' }',
  },
  {
    name: 'finished jobs go too early',
    file: retention,
    find: 'endOf(job) <= dueAt',
    replace: 'endOf(job) <= dueAt + 2_000',
  },
  {
    name: 'a clock that is set ahead is not noticed',
    file: timerQueue,
    find: 'const wallSleepMsMax = 30_000',
    replace: 'const wallSleepMsMax = 3_000_000',
  },
  // Clocks and rate limits.
  {
    name: 'who is let in does not count until it is sent',
    file: starts,
    find: '    this.#entered++\n',
    replace: '',
  },
  {
    name: 'a rate limit goes by the wall clock',
    file: limiter,
    find: '      const now = this.#timers.clock.monotonic()\n      if (!this.#mayStart(now))',
    replace: '      const now = this.#timers.clock.now()\n      if (!this.#mayStart(now))',
  },
  {
    name: 'a rate limit that is set again forgets what has started',
    file: limiter,
    find: 'clock.monotonic(), this.#rate, clock.resolutionMs)',
    replace: 'clock.monotonic(), undefined, clock.resolutionMs)',
  },
  {
    name: 'what is on its way to the store does not count',
    file: starts,
    find: 'return this.#entered + this.#sent.size',
    replace: 'return this.#sent.size',
  },
  {
    name: 'a token comes although its start is still to come',
    file: rateLimit,
    find: 'Math.max(0, this.#burst - this.#starts.open)',
    replace: 'this.#burst',
  },
  {
    name: 'tokens come twice as fast',
    file: rateLimit,
    find: '(now - this.#filledAt) * this.#perMs',
    replace: '(now - this.#filledAt) * 2 * this.#perMs',
  },
  {
    name: 'the shortest time between two starts is not kept',
    file: rateLimit,
    find: 'return this.#gapMs > 0 ? Math.max(at, this.#starts.last + this.#gapMs) : at',
    replace: 'return at',
  },
  {
    name: 'a fixed window begins anew with each start',
    file: rateLimit,
    find: '    if (now >= this.#windowEndsAt) this.#inWindow = this.#starts.open',
    replace: '    this.#inWindow = this.#starts.open',
  },
  {
    name: 'nobody looks again when the rate limit lets more start',
    file: limiter,
    find: '        this.drain()\n        this.#onOpen()\n',
    replace: '        this.drain()\n',
  },
  {
    name: 'a delay stands still when the clock is set back',
    file: jobs,
    find: '      : this.timers.within(wallMs - since, wallMs, callback, keepsProcessAlive)',
    replace: '      : this.timers.at(wallMs, callback, keepsProcessAlive)',
  },
  // Jobs that are changed while they wait.
  {
    name: 'an update leaves the timer as it was',
    file: jobs,
    find: " && state !== 'queued' && !isPutOff) return",
    replace: " && state !== 'queued') return",
  },
  {
    name: 'an update loses the input',
    file: move,
    find: '  if (input !== undefined) record.input = input\n',
    replace: '',
  },
  {
    name: 'an update puts a job that was tried at the end of its line',
    file: move,
    find: '  if (isNew) record.dueAt = isLater',
    replace: '  record.dueAt = isLater',
  },
  // Threads that cannot be started, and threads that do not listen.
  {
    name: 'stored jobs fail when no thread can be started',
    file: dispatcher,
    find: '    if (!this.#jobs.store.isDurable) {\n      for (const job of overdue)',
    replace: '    if (this.#jobs.store.isDurable) {\n      for (const job of overdue)',
  },
  {
    name: 'nobody goes on when the pause after a failed start is over',
    file: starter,
    find: '      this.#listener.onRested()\n',
    replace: '',
  },
  {
    name: 'a thread that could not be started is taken for one that is starting still',
    file: starter,
    find: '    this.#starting--\n    if (started',
    replace: '    if (!(started instanceof Error)) this.#starting--\n    if (started',
  },
  {
    name: 'a thread that a leftover loop keeps busy is left as it is',
    file: pool,
    find: 'onUnresponsive: (worker) => this.#endUnresponsive(worker)',
    replace: 'onUnresponsive: () => {}',
  },
  {
    name: 'what a thread did not take up counts as interrupted by itself',
    file: pool,
    find: "OffstageError('WORKER_CRASHED', message), () => 'released')",
    replace: "OffstageError('WORKER_CRASHED', message), () => 'blamed')",
  },
  {
    name: 'a job that has cost a thread never comes back',
    file: jobs,
    find: '        this.#place(job, undefined)\n        this.commits.schedule()\n',
    replace: '        this.commits.schedule()\n',
  },
  {
    name: 'a snooze uses up an attempt',
    file: move,
    find: '      putOff(after, action.ms, undefined, now)\n',
    replace: '      putOff(after, action.ms, undefined, now)\n      after.failures++\n',
  },
  {
    name: 'a snooze loses what was kept',
    file: move,
    find: '      putOff(after, action.ms, undefined, now)\n',
    replace: '      putOff(after, action.ms, undefined, now)\n      after.checkpoint = undefined\n',
  },
  {
    name: 'a snooze of an attempt that no longer counts is heard',
    file: dispatcher,
    find: '    if (attempt.isStale) return\n    if (hasMoved(attempt)) return',
    replace: '    if (hasMoved(attempt)) return',
  },
  {
    name: 'a queue does not rest',
    file: limiter,
    find: '    this.#restsUntil = until\n',
    replace: '',
  },
  {
    name: 'the time for retries goes on over a snooze',
    file: move,
    find: "      after.expiresAt = undefined\n      break\n    case 'fail'",
    replace: "      break\n    case 'fail'",
  },
  {
    name: 'a handler that wants no other attempt gets one',
    file: move,
    find: 'waitMs === never || ',
    replace: '',
  },
  {
    name: 'nobody cares when a handler wants its next attempt',
    file: move,
    find: 'retryMs ?? backoffDelayMs(',
    replace: 'retryMs === never ? never : backoffDelayMs(',
  },
  {
    name: 'a job waits beyond its time for retries',
    file: move,
    find: ' || now + waitMs > until',
    replace: '',
  },
  {
    name: 'what waits in line when its time for retries is over starts all the same',
    file: move,
    find: '(attempt === 0 || (failures > 0 && rules.retryForMs !== undefined))',
    replace: 'attempt === 0',
  },
  {
    name: 'the time for retries is not stored',
    file: writer,
    find: '[marks, headers, retryForMs]',
    replace: '[marks, headers]',
  },
  {
    name: 'nobody watches the time for retries of what ran when its process ended',
    file: jobs,
    find: '    else this.#place(job, undefined)\n    this.#watchExpiry(job, undefined)\n',
    replace: '    else {\n      this.#place(job, undefined)\n      this.#watchExpiry(job, undefined)\n    }\n',
  },
  {
    name: 'with decorrelated jitter waits grow ninefold',
    file: 'src/job/retry.ts',
    find: 'random * (3 *',
    replace: 'random * (9 *',
  },
]
