import { svelte } from '@sveltejs/vite-plugin-svelte'
import { mergeConfig } from 'vite'
import base from '../vite.config.ts'

export default mergeConfig(base, { plugins: [svelte()] })
