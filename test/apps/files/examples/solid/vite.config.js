import { mergeConfig } from 'vite'
import solid from 'vite-plugin-solid'
import base from '../vite.config.ts'

export default mergeConfig(base, { plugins: [solid()] })
