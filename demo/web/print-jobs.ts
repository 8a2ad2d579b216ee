// The worker module of the jobs that outlive the tab.
import { defineJobs } from 'offstage/worker'
import { print } from './work/print.ts'

export const jobs = defineJobs({ print })
