import { mergeConfig } from 'vite'
import base from '../vite.config.ts'

// The decorators are run in the page: Angular's own build is an app of its own here.
export default mergeConfig(base, { oxc: { decorator: { legacy: true } } })
