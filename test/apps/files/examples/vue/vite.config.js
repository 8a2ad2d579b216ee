import vue from '@vitejs/plugin-vue'
import { mergeConfig } from 'vite'
import base from '../vite.config.ts'

export default mergeConfig(base, { plugins: [vue()] })
