import { parentPort } from 'node:worker_threads'
import { expose } from 'comlink/dist/esm/comlink.mjs'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import * as handlers from './handlers.js'

expose({ ...handlers }, nodeEndpoint(/** @type {import('node:worker_threads').MessagePort} */ (parentPort)))
