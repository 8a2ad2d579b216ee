/** @type {import('webpack').Configuration & { devServer: object }} */
export default { entry: './main.js', devServer: { static: '.' } }
