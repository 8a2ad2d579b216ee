/** @type {import('@rspack/core').Configuration} */
export default {
  entry: './main.js',
  devServer: { static: { directory: '.', watch: false } },
  // Otherwise Rspack compiles the jobs once more when the page imports them, and reloads it.
  lazyCompilation: false,
}
