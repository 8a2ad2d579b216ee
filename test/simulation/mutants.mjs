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
const bytes = 'src/store/bytes.ts'
const steps = 'src/engine/steps.ts'
const groupCommit = 'src/engine/group-commit.ts'
const engine = 'src/engine/local-engine.ts'
const jobs = 'src/engine/jobs.ts'
const places = 'src/engine/places.ts'
const intake = 'src/engine/intake.ts'
const dispatcher = 'src/engine/dispatcher.ts'
const outcomes = 'src/engine/outcomes.ts'
const lifecycle = 'src/engine/lifecycle.ts'
const move = 'src/job/transition.ts'
const waits = 'src/job/waits.ts'
const pool = 'src/pool/pool.ts'
const blame = 'src/pool/blame.ts'
const poolWorker = 'src/pool/pool-worker.ts'
const starter = 'src/pool/starter.ts'
const probation = 'src/pool/probation.ts'
const lanes = 'src/queue/lanes.ts'
const lines = 'src/engine/lines.ts'
const groups = 'src/groups/groups.ts'
const historyExtension = 'src/history/history-extension.ts'
const projection = 'src/history/projection.ts'
const topics = 'src/topics/topics-extension.ts'
const index = 'src/engine/job-index.ts'
const suspects = 'src/engine/suspects.ts'
const retention = 'src/engine/retention.ts'
const timerQueue = 'src/timers/timer-queue.ts'
const limiter = 'src/queue/limiter.ts'
const pace = 'src/queue/pace.ts'
const rateLimit = 'src/queue/rate-limit.ts'
const gate = 'src/queue/gate.ts'
const sorted = 'src/queue/sorted-order.ts'
const spared = 'src/pool/spared.ts'
const starts = 'src/queue/starts.ts'
const extensions = 'src/engine/extensions.ts'
const attached = 'src/engine/attached.ts'
const refusedTurns = 'src/engine/refused-turns.ts'
const turn = 'src/engine/turn.ts'
const settings = 'src/engine/kept-settings.ts'
const runner = 'src/schedules/schedules-extension.ts'
const scheduleRow = 'src/schedules/schedule-row.ts'
const tick = 'src/schedules/tick.ts'
const recurrence = 'src/schedules/recurrence.ts'
const dedupe = 'src/dedupe/dedupe-extension.ts'
const flows = 'src/flows/flows-extension.ts'
const batches = 'src/flows/batches-extension.ts'
const rowList = 'src/flows/row-list.ts'
const children = 'src/engine/children.ts'

/**
 * `isJournal`: it takes a state that is rare, and that runs of the journal alone reach more often. `isRare`: even so it takes more
 * than half a million steps to find.
 * @typedef {{ name: string, file: string, find: string, replace: string, isJournal?: true, isRare?: true }} Mutant
 */

/** @type {Mutant[]} */
export const mutants = [
  // Jobs that run jobs.
  {
    name: 'a parent is not told how its child has ended',
    file: children,
    find: 'if (isTerminal(parentState) ||',
    replace: 'if (parentState ||',
  },
  {
    name: 'children of a parent that has ended run on',
    file: children,
    find: 'if (!isTerminal(child.record.state))',
    replace: 'if (child.record.state === undefined)',
  },
  {
    name: 'a child of an earlier job with the id is taken for its own',
    file: children,
    find: 'rules.headers?.[parentHeader] === nameOf(parent)',
    replace: 'parentIdIn(rules.headers) === parent.id',
  },
  {
    name: 'a child whose end is recorded is run again when it is gone',
    isRare: true,
    file: children,
    find: 'if (record.steps?.has(doneKey(key)) || record.steps?.has(fellKey(record.attempt, key))) return\n',
    replace: '\n',
  },
  {
    name: 'the attempt of a job that is cancelled with another goes on',
    file: jobs,
    find: 'if (this.extensions) this.extensions.abort(job)\n    else this.starter.abort(job, error)',
    replace: '',
  },
  {
    name: 'a parent gets something else than the result of its child',
    file: waits,
    find: "['child', end.result]",
    replace: "['child', true]",
  },
  // Flows and batches.
  {
    name: 'a job of a flow goes with the first of its parents',
    file: flows,
    find: 'if (left !== undefined && left > 1) return',
    replace: 'if (left !== undefined && left > 9) return',
  },
  {
    name: 'the last of the parents lets nobody go',
    file: flows,
    find: "turn.move(childId, { type: 'unblock' })",
    replace: "if (left === undefined) turn.move(childId, { type: 'unblock' })",
  },
  {
    name: 'a parent that fails lets its children go',
    file: flows,
    find: "if (parent.state === 'completed' || onFailure === 'continue') {",
    replace: 'if (parent) {',
  },
  {
    name: 'what fell comes back although another that it needs has failed',
    file: flows,
    find: 'if (isHopeless(turn, childId)) continue',
    replace: '',
  },
  {
    name: 'a retried parent leaves what fell with it',
    file: flows,
    find: "if (turn.rows.has(fellKey(childId))) turn.move(childId, { type: 'retry' })",
    replace: 'if (turn.rows.has(fellKey(childId))) turn.put(fellKey(childId), undefined)',
  },
  {
    name: 'results of parents are let go before the last child has ended',
    file: flows,
    find: 'const kept = { ...options, id: jobId, keepMs: Number.POSITIVE_INFINITY }',
    replace: 'const kept = { ...options, id: jobId }',
  },
  {
    name: 'a handler finds the error of a parent in place of its result',
    file: flows,
    find: "place(all, path, state === 'completed' ? result : error)",
    replace: 'place(all, path, error)',
  },
  {
    name: 'a flow that is gone stays in the list',
    file: flows,
    find: 'delist(turn, id)',
    replace: '',
  },
  {
    name: 'a flow that has failed once is listed as failed for good',
    file: flows,
    find: 'isFailed: failed !== undefined }',
    replace: 'isFailed: failed !== undefined || countOf(turn, id).isFailed }',
  },
  {
    name: 'a flow or batch that goes takes those behind it off the list',
    file: rowList,
    find: 'link(turn, older, newer)',
    replace: 'link(turn, ends, newer)',
  },
  {
    name: 'a batch is listed behind the others',
    file: rowList,
    find: 'link(turn, placeOf(turn, ends)?.older ?? ends, id)\n  link(turn, id, ends)',
    replace: 'link(turn, id, placeOf(turn, ends)?.newer ?? ends)\n  link(turn, ends, id)',
  },
  {
    name: 'a batch adds a callback again when it ends again',
    file: batches,
    find: 'if (!callback || !isDue[name] || called.includes(name)) continue',
    replace: 'if (!callback || !isDue[name]) continue',
  },
  {
    name: 'a batch has succeeded although some were cancelled',
    file: batches,
    find: "row.cancelled > 0 ? 'cancelled'",
    replace: "row.cancelled > 99 ? 'cancelled'",
  },
  {
    name: 'a retry by hand does not count',
    file: batches,
    find: "if (from !== 'pending') next[from]--",
    replace: '',
  },
  {
    name: 'a batch forgets that a callback is owing',
    file: batches,
    find: 'isOwing = true',
    replace: 'called = [...called, name]',
  },
  {
    name: 'an open batch ends',
    file: batches,
    find: 'write(turn, id, open, { ...open, total: open.total - missing, isOpen: row.isOpen })',
    replace: 'write(turn, id, open, { ...open, total: open.total - missing, isOpen: false })',
  },
  {
    name: 'a batch within a batch does not tell of its end',
    file: batches,
    find: 'if (parent !== undefined && stageOf(before) !== stage) change',
    replace: 'if (parent !== undefined && stageOf(before) === stage) change',
  },
  {
    name: 'what was not appended is counted',
    file: batches,
    find: 'total: open.total - missing, isOpen',
    replace: 'total: open.total, isOpen',
  },
  {
    name: 'a callback appends to a batch that has ended',
    file: batches,
    find: 'if (!row || isCallback) throw',
    replace: 'if (!row) throw',
  },
  {
    name: 'what a job appends is lost',
    file: batches,
    find: 'if (!key.startsWith(appendPrefix)) continue',
    replace: 'if (!key.startsWith(appendPrefix) || fresh.length < 2) continue',
  },
  {
    name: 'a batch is forgotten while members of it are there',
    file: batches,
    find: "if (stage === 'pending' || row.isOwing || row.calls > 0 || ends.some((end) => row[end] > row.gone[end])) return",
    replace: "if (stage === 'pending' || row.isOwing || row.calls > 0) return",
  },
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
  // Values in slices.
  {
    name: 'what changes while a long value is encoded for the draft is lost',
    file: compaction,
    find: '        this.#cursor = item.seq\n        if (batch.mayBeLong) await prepare(batch, change, clock)\n',
    replace: '        if (batch.mayBeLong) await prepare(batch, change, clock)\n        this.#cursor = item.seq\n',
  },
  {
    name: 'a long value of a change is written in the place of another',
    file: writer,
    find: 'const prepared = this.#prepared?.get(value)',
    replace: 'const prepared = this.#prepared?.has(value) ? [...this.#prepared.values()][0] : undefined',
  },
  {
    name: 'the blobs of a long value are forgotten',
    file: bytes,
    find: 'for (const { at, attachment } of other.#named) this.#named.push({ at: start + at, attachment })',
    replace: '',
    isJournal: true,
  },
  {
    name: 'the second slice of a text begins where the first does',
    file: bytes,
    find: 'writeUnits(gap, source, bytes.subarray(start, end), start - gap.at)',
    replace: 'writeUnits(gap, source, bytes.subarray(start, end), 0)',
  },
  {
    name: 'the second buffer of a long value is in the wrong place',
    file: bytes,
    find: '      from = to\n      gapBytes += length\n',
    replace: '      from = to\n',
  },
  {
    name: 'the rest of a long list is left out',
    file: 'src/store/value-writer.ts',
    find: '      if (index % pieceItemsMax === pieceItemsMax - 1) yield\n',
    replace: '      if (index % pieceItemsMax === pieceItemsMax - 1) yield\n      if (index > 2) return\n',
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
    isRare: true,
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
    isRare: true,
    isJournal: true,
    file: search,
    find: 'salt === chain.salt && ',
    replace: '',
  },
  {
    name: 'an older frame counts as one behind the damage',
    isRare: true,
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
    find: '[marks, headers, retryForMs, kept]',
    replace: '[headers, retryForMs, kept]',
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
    find: 'if (row.count >= limit) return',
    replace: 'if (row.count > limit) return',
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
    find: '(isPaused ? row : advanced(id, row, later(now, row)))',
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
    isRare: true,
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
    isRare: true,
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
    isRare: true,
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
    find: "(mode === 'return' || mode === 'reject') && this.#isWithin(row))",
    replace: "mode === 'return' && this.#isWithin(row))",
  },
  {
    name: 'a key stays when its window is over',
    file: dedupe,
    find: '      this.#turn((turn) => isLeft() && turn.put(key, undefined))\n',
    replace: '',
  },
  {
    name: 'a window is over too soon by the monotonic clock',
    file: dedupe,
    find: 'turn.clock.monotonic() + (windowMs as number)',
    replace: 'turn.clock.monotonic()',
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
    find: "{ type: 'update', input, version, runAt: turn.clock.now() + (windowMs as number) }",
    replace: "{ type: 'update', version, runAt: turn.clock.now() + (windowMs as number) }",
  },
  {
    name: 'the newest input comes to a job with what was recorded of another',
    file: dedupe,
    find: '(other.attempt > 0 && (other.steps ?? other.checkpoint) !== undefined)',
    replace: 'false',
  },
  {
    name: 'what was gathered before is lost with each input',
    file: dedupe,
    find: 'input: merged, version }',
    replace: 'input, version }',
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
    find: '    leavePlace(this, job)\n    this.index.remove(job)\n',
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
    isRare: true,
    file: dispatcher,
    find: '      if (hasExpired(this.#jobs, job)) {\n',
    replace: '      if (hasExpired(this.#jobs, job) && this.#jobs.dashboard.isPaused) {\n',
  },
  {
    name: 'delays start again in the next life',
    file: jobs,
    find: '    else placeJob(this, job, undefined)\n',
    replace:
      "    else placeJob(this, job, undefined)\n    if (job.record.state === 'scheduled') {\n      this.timers.cancel(job.timer)\n      job.timer = this.timers.after((job.record.runAt as number) - job.record.addedAt, () => this.fallDue(job), true)\n    }\n",
  },
  {
    name: 'expiry is not counted through the gap between lives',
    file: jobs,
    find: '    watchExpiry(this, job, undefined)\n',
    replace:
      "    if (job.record.expiresAt !== undefined) job.expiry = this.timers.after(job.record.expiresAt - job.record.addedAt, () => this.moveIfLegal(job, { type: 'expire' }))\n",
  },
  {
    name: 'the next attempt does not wait for the one before',
    file: places,
    find: "if (attempt) return\n  if (record.state !== 'queued') {",
    replace: "if (record.state !== 'queued') {",
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
    find: '    if (this.#jobs.dashboard.isPaused) return\n    this.#now',
    replace: '    this.#now',
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
    isRare: true,
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
    isRare: true,
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
    name: 'a start whose attempt is gone keeps its place in the queue',
    file: outcomes,
    find: '      if (this.#dispatcher.send(job, after))\n',
    replace: '      if (attempt && this.#dispatcher.send(job, after))\n',
  },
  {
    name: 'the lowest priority goes first',
    file: lanes,
    find: '.priority < priority) low',
    replace: '.priority > priority) low',
  },
  {
    name: 'the last goes first',
    file: lanes,
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
    find: '    line.leave(job)\n    this.#unpark(line)\n',
    replace: '    line.leave(job)\n',
  },
  {
    name: 'who goes before others stands behind them',
    file: lanes,
    find: 'isBefore(record, lane.last)',
    replace: 'isBefore(lane.last, record)',
  },
  // Groups.
  {
    name: 'one job more of a group runs than may',
    file: groups,
    find: 'this.running < this.concurrency',
    replace: 'this.running <= this.concurrency',
  },
  {
    name: 'a group has no rate limit',
    file: groups,
    find: '    if (limit !== group.pace?.rateLimit) this.#paceOf(group).setRateLimit(limit)\n',
    replace: '',
  },
  {
    name: 'a group that has had its turn goes first again',
    file: groups,
    find: '        group.left = group.weight\n        this.#turns.addLast(group)\n',
    replace: '        group.left = group.weight\n        this.#turns.addFirst(group)\n',
  },
  {
    name: 'a turn never ends',
    file: groups,
    find: '    if (group.left > 0 && --group.left === 0) this.#stopTurns(group)\n',
    replace: '',
  },
  {
    name: 'a group is made with what the options say, whatever it was set to',
    file: groups,
    find: 'const set: QueueSettings = this.#settings.get(key) ?? {}',
    replace: 'const set: QueueSettings = {}',
  },
  {
    name: 'the new limits of a group hold from its next job on',
    file: groups,
    find: '    this.#limit(group)\n    this.#settle(group, true)\n    this.#opened(group)\n',
    replace: '    this.#limit(group)\n    this.#opened(group)\n',
  },
  {
    name: 'the weight that a group was set to is not kept',
    file: 'src/queue/settings.ts',
    find: "['isPaused', 'concurrency', 'rateLimit', 'weight'] as const",
    replace: "['isPaused', 'concurrency', 'rateLimit'] as const",
  },
  {
    name: 'a group that rests goes on',
    isRare: true,
    file: groups,
    find: '    this.#paceOf(group).rest(ms)\n    this.#settle(group, true)\n',
    replace: '    this.#paceOf(group).rest(ms)\n',
  },
  {
    name: 'a strict group goes on while its first job waits for its next attempt',
    file: groups,
    find: 'head && !this.#held.has(head) && (',
    replace: 'head && (',
  },
  {
    name: 'a job that waits for its next attempt does not hold up its group',
    file: places,
    find: '    if (isRetrying(record)) jobs.lines.hold(job)\n',
    replace: '',
  },
  {
    name: 'a group does not go on when its limits let it',
    file: groups,
    find: '    group.running--\n    this.#settle(group)\n',
    replace: '    group.running--\n',
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
    isRare: true,
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
    find: 'transferOf(job), job.mustRunAlone, priority)\n',
    replace: 'transferOf(job), job.mustRunAlone, priority)\n    this.pool.send(job.attempt)\n',
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
    find: '...(headers && { headers }),',
    replace: '',
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
    file: pace,
    find: '    const now = this.#timers.clock.monotonic()\n    if (!this.#mayStart(now))',
    replace: '    const now = this.#timers.clock.now()\n    if (!this.#mayStart(now))',
  },
  {
    name: 'a rate limit that is set again forgets what has started',
    file: pace,
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
    file: pace,
    find: '        this.drain()\n        this.#onOpen()\n',
    replace: '        this.drain()\n',
  },
  {
    name: 'the last one in is not the first one out',
    file: sorted,
    find: 'isLifo ? -1 : 1',
    replace: '1',
  },
  {
    name: 'priorities do not rise with time',
    file: sorted,
    find: 'this.#risePerMs = by / everyMs',
    replace: 'this.#risePerMs = 0',
  },
  {
    name: 'a priority that has risen counts only within its queue',
    file: sorted,
    find: 'return this.#priorityAt(Math.max(this.#clock.now(), this.#newestAt), place)',
    replace: 'return place.priority',
  },
  {
    name: 'no worker is kept free',
    file: spared,
    find: 'return ordinary > 0 || this.#workers < this.#workersMax',
    replace: 'return true',
  },
  {
    name: 'a worker whose ordinary job has ended counts as taken',
    file: spared,
    find: 'if (this.#ordinary.delete(attempt) && --attempt.worker.ordinary === 0) this.#workers--',
    replace: 'if (this.#ordinary.delete(attempt)) attempt.worker.ordinary--',
  },
  {
    name: 'what was on a worker that died is still counted',
    file: pool,
    find: '      this.#spared?.freed(attempt)\n      attempt.worker.free(attempt)\n',
    replace: '      attempt.worker.free(attempt)\n',
  },
  {
    name: 'a condition that is not met holds nothing back',
    file: limiter,
    find: 'this.#isPaused || (this.gate !== undefined && this.gate.unmet.length > 0)',
    replace: 'this.#isPaused',
  },
  {
    name: 'a condition is asked once',
    file: gate,
    find: '      this.#isAsking = false\n',
    replace: '',
  },
  {
    name: 'a condition is listened to when no job waits any more',
    file: gate,
    find: '    for (const stop of stops) stop()\n',
    replace: '',
  },
  {
    name: 'a delay stands still when the clock is set back',
    file: places,
    find: '    : timers.within(wallMs - since, wallMs, callback, keepsProcessAlive)',
    replace: '    : timers.at(wallMs, callback, keepsProcessAlive)',
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
    find: "  if ('input' in changes) record.input = changes.input\n",
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
    file: places,
    find: '      placeJob(jobs, job, undefined)\n      jobs.commits.schedule()\n',
    replace: '      jobs.commits.schedule()\n',
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
    find: '    if (attempt.isStale) return false\n    if (hasMoved(attempt)) this',
    replace: '    if (hasMoved(attempt)) this',
  },
  {
    name: 'a signal that comes while an attempt ends wakes nobody',
    file: waits,
    find: '  if (signalsAwaited(record).length > 0) for (const [, name] of unread(record.steps)) wake(record, name)\n',
    replace: '',
  },
  {
    name: 'a signal wakes nobody',
    file: waits,
    find: '  wake(record, signal[1])\n',
    replace: '',
  },
  {
    name: 'a wait forgets what was recorded',
    file: waits,
    find: 'record.steps = withStep(record.steps, waitingKey(record.attempt), waits)',
    replace: 'record.steps = withStep(undefined, waitingKey(record.attempt), waits)',
  },
  {
    name: 'a wait uses up an attempt',
    file: move,
    find: '      wait(after, action.waits, now)\n',
    replace: '      wait(after, action.waits, now)\n      after.failures++\n',
  },
  {
    name: 'a queue does not rest',
    file: pace,
    find: '    this.#restsUntil = until\n',
    replace: '',
  },
  {
    name: 'the time for retries goes on over a snooze',
    file: move,
    find: '  record.error = undefined\n  record.expiresAt = undefined\n}',
    replace: '  record.error = undefined\n}',
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
    find: '[marks, headers, retryForMs, kept]',
    replace: '[marks, headers, kept]',
  },
  {
    name: 'nobody watches the time for retries of what ran when its process ended',
    file: jobs,
    find: '    else placeJob(this, job, undefined)\n    watchExpiry(this, job, undefined)\n',
    replace: '    else {\n      placeJob(this, job, undefined)\n      watchExpiry(this, job, undefined)\n    }\n',
  },
  {
    name: 'with decorrelated jitter waits grow ninefold',
    file: 'src/job/retry.ts',
    find: 'random * (3 *',
    replace: 'random * (9 *',
  },
  // What queues are set to.
  {
    name: 'settings: what is set back stays in the store',
    file: settings,
    find: 'if (before || after) this.#jobs.keep(',
    replace: 'if (after) this.#jobs.keep(',
  },
  {
    name: 'settings: what is as in the options is not written',
    file: settings,
    find: 'if (before || after) this.#jobs.keep(',
    replace: 'if (!before && after) this.#jobs.keep(',
  },
  {
    name: 'settings: what the store has does not hold',
    file: settings,
    find: '      this.#jobs.lines.set(key, value as QueueSettings)\n',
    replace: '',
  },
  {
    name: 'settings: one takes the place of all others of its queue',
    file: settings,
    find: '{ ...before, ...settings }',
    replace: 'settings',
  },
  {
    name: 'settings: a reset leaves a queue paused',
    file: settings,
    find: 'return { isPaused: false, concurrency, rateLimit }',
    replace: 'return { isPaused: undefined as never, concurrency, rateLimit }',
  },
  {
    name: 'settings: confirmed before they are committed',
    file: engine,
    find: '      this.#jobs.settings.set(queue, settings)\n      return this.#outcomes.whenCommitted()\n',
    replace: '      this.#jobs.settings.set(queue, settings)\n      return Promise.resolve()\n',
  },
  {
    name: 'settings: made before the store is open are not written',
    file: engine,
    find: 'return opening.then(set)',
    replace: 'return opening',
  },
  // The history, and what is made of it.
  {
    name: 'history: what ran when its process ended is not found',
    file: historyExtension,
    find: '    if (changed.length === 0) return\n',
    replace: '    return\n',
  },
  {
    name: 'history: numbers begin anew after a restart',
    file: historyExtension,
    find: 'seqs.reduce((most, seq) => Math.max(most, seq), 0) + 1',
    replace: 'seqs.length + 1',
  },
  {
    name: 'history: entries go that a projection has not stored',
    file: historyExtension,
    find: ' && seq < unseen',
    replace: '',
  },
  {
    name: 'history: a projection sees an entry twice',
    file: projection,
    find: 'next(seq + 1)',
    replace: 'next(seq)',
  },
  {
    name: 'history: a projection is stored one entry ahead',
    file: projection,
    find: '{ seq: this.#seq, state',
    replace: '{ seq: this.#seq + 1, state',
  },
  // Topics.
  {
    name: 'topics: an event that was published is published again',
    file: topics,
    find: 'if (there && this.#isRemembered(turn, there)) {',
    replace: 'if (there && this.#isRemembered(turn, there) && there.jobIds.length > 1) {',
  },
  {
    name: 'topics: events are forgotten too early',
    file: topics,
    find: 'return turn.clock.now() < at + this.rememberMs',
    replace: 'return turn.clock.now() < at + this.rememberMs / 2',
  },
  {
    name: 'topics: filters are not asked',
    file: topics,
    find: 'filter === undefined || accepts(filter, data)',
    replace: 'filter === undefined || accepts(filter, filter)',
  },
  {
    name: 'topics: only the first subscription gets its job',
    file: topics,
    find: '.filter(([id, each]) => isFor(id, each, event))',
    replace: '.filter(([id, each]) => isFor(id, each, event)).slice(0, 1)',
  },
  {
    name: 'topics: a star stands for several words',
    file: 'src/topics/pattern.ts',
    find: 'words.length !== wanted.length',
    replace: 'words.length < wanted.length',
  },
]
