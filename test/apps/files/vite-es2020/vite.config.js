/** @type {import('vite').UserConfig} */
export default { build: { target: 'es2020' } }
