/** @type {import('@rspack/core').Configuration} */
export default { entry: './main.js', devServer: { static: '.' } }
