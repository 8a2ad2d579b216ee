// The worker module of the page.
import { defineJobs } from 'offstage/worker'
import { handlers } from './work/handlers.ts'

export const jobs = defineJobs(handlers)
