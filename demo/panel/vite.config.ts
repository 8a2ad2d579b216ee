import { defineConfig } from 'vite'

/** `npx vite demo/panel`; see demo/web/vite.config.ts. */
export default defineConfig({
  resolve: { tsconfigPaths: true },
  server: { fs: { allow: ['../..'] } },
  optimizeDeps: { include: ['p-queue', 'eventemitter3', 'idb-keyval', 'croner', 'lit-html'] },
  worker: { format: 'es' },
})
