import workerpool from 'workerpool'
import * as handlers from './handlers.js'

workerpool.worker({
  ...handlers,

  /** @param {number} count */
  flood(count) {
    for (let report = 1; report <= count; report++) workerpool.workerEmit(report)
    return count
  },
})
