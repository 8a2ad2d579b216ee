/** @type {import('vite').UserConfig} */
export default {
  // Vite does not look into workers before they are asked for, and reloads the page when it finds something new there.
  optimizeDeps: { include: ['offstage/worker'] },
}
