import { defineJobs } from 'offstage/worker'
import * as handlers from './handlers.js'

export const jobs = defineJobs({ ...handlers })
