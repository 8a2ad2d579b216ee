/** @type {import('webpack').Configuration & { devServer: object }} */
export default { entry: './main.js', devServer: { static: { directory: '.', watch: false } } }
