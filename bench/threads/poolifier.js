import { ThreadWorker } from 'poolifier'
import * as handlers from './handlers.js'

export default new ThreadWorker(/** @type {any} */ ({ ...handlers }))
