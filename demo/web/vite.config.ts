import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

export default defineConfig({
  resolve: {
    // `offstage` means the sources, as the one table in tsconfig.json says.
    tsconfigPaths: true,
    // As it is bundled into what is published. The other one, for development, warns of itself.
    alias: { 'lit-html': fileURLToPath(new URL('../../node_modules/lit-html/lit-html.js', import.meta.url)) },
  },
  // They lie above this page's root, where Vite would not serve them from.
  server: { fs: { allow: ['../..'] } },
  // Found late, they would reload the page while its first jobs run.
  optimizeDeps: { include: ['p-queue', 'eventemitter3', 'idb-keyval', 'croner'] },
  worker: { format: 'es' },
  // gone.html is where a tab goes that is killed.
  build: { target: 'es2022', rolldownOptions: { input: ['index.html', 'gone.html'] } },
})
