export default defineNuxtConfig({
  compatibilityDate: '2026-01-01',
  devtools: { enabled: false },
  // Otherwise Vite finds them when the page asks, and reloads it.
  vite: { optimizeDeps: { include: ['offstage', 'offstage/idb', 'offstage/worker'] } },
})
