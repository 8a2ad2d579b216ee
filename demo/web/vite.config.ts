import { defineConfig } from 'vite'

export default defineConfig({
  // `offstage` means the sources, as the one table in tsconfig.json says.
  resolve: { tsconfigPaths: true },
  // They lie above this page's root, where Vite would not serve them from.
  server: { fs: { allow: ['../..'] } },
  // Found late, they would reload the page while its first jobs run.
  optimizeDeps: { include: ['p-queue', 'eventemitter3', 'idb-keyval', 'croner'] },
  worker: { format: 'es' },
  // gone.html is where a tab goes that is killed.
  build: { target: 'es2022', rolldownOptions: { input: ['index.html', 'gone.html'] } },
})
