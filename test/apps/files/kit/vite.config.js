import { sveltekit } from '@sveltejs/kit/vite'

/** @type {import('vite').UserConfig} */
export default {
  plugins: [sveltekit()],
  // Otherwise Vite finds them when the page asks, and reloads it.
  optimizeDeps: { include: ['offstage', 'offstage/idb', 'offstage/worker'] },
}
