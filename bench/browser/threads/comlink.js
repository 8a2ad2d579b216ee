import { expose } from 'comlink'
import * as handlers from './handlers.js'

expose({ ...handlers })
