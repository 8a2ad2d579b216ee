export default {
  // Otherwise Vite finds them when the page asks, and reloads it.
  vite: { optimizeDeps: { include: ['offstage', 'offstage/idb', 'offstage/worker'] } },
}
