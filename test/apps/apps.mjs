// Every tool that `npm run test:apps` builds the job page with, and every test runner and compiler that it runs.

/**
 * How an app is tried. Commands are for a shell in the app's folder, and find the programs of its dependencies.
 *
 * @typedef {object} Run
 * @property {string} [command] runs to its end first
 * @property {string} [folder] then the page is in this folder, served as files
 * @property {string} [server] or this command serves it, on `$PORT`
 * @property {string} [extension] or it is the page of a browser extension in this folder
 * @property {string} [route] an address of the app that runs a job on the server
 */

/**
 * @typedef {object} App
 * @property {string} title
 * @property {Record<string, string>} dependencies exact versions. There are no lock files: fourteen would be larger than the library
 * @property {string} [needs] what its user has to know, in Markdown: a line of its configuration, mostly
 * @property {boolean} [isFast] runs in CI as well
 * @property {boolean} [hasNoPage] it tests modules, and has files of its own only
 * @property {Record<string, Run>} runs `production` and `dev` have a column each in docs/BUNDLERS.md
 */

const second = 'The worker module is a second entry, `jobs.js`'

/** @type {Record<string, App>} */
export const apps = {
  vite: {
    title: 'Vite',
    dependencies: { vite: '8.3.8' },
    needs:
      "Dev server: `optimizeDeps: { include: ['offstage/worker'] }`; otherwise the first job is cut short by a reload",
    isFast: true,
    runs: {
      production: { command: 'vite build', folder: 'dist' },
      dev: { server: 'vite --host 127.0.0.1 --port $PORT --strictPort' },
    },
  },
  'vite-es2020': {
    title: 'Vite, lowered to ES2020',
    dependencies: { vite: '8.3.8' },
    isFast: true,
    runs: { production: { command: 'vite build', folder: 'dist' } },
  },
  webpack: {
    title: 'webpack',
    dependencies: { webpack: '5.113.0', 'webpack-cli': '7.3.1', 'webpack-dev-server': '6.1.0' },
    isFast: true,
    runs: {
      production: { command: 'webpack --mode production && cp index.html dist', folder: 'dist' },
      dev: { server: 'webpack serve --mode development --host 127.0.0.1 --port $PORT' },
    },
  },
  rollup: {
    title: 'Rollup',
    dependencies: { rollup: '4.67.4', '@rollup/plugin-node-resolve': '16.0.3' },
    needs: second,
    isFast: true,
    runs: {
      production: {
        command: 'rollup main.js jobs.js --dir dist --plugin node-resolve && cp index.html dist',
        folder: 'dist',
      },
    },
  },
  esbuild: {
    title: 'esbuild',
    dependencies: { esbuild: '0.27.7' },
    needs: second,
    isFast: true,
    runs: {
      production: {
        command: 'esbuild main.js jobs.js --bundle --minify --format=esm --outdir=dist && cp index.html dist',
        folder: 'dist',
      },
      dev: {
        command: 'mkdir dist && cp index.html dist',
        server:
          'esbuild main.js jobs.js --bundle --format=esm --outdir=dist --servedir=dist --serve=127.0.0.1:$PORT --watch=forever',
      },
    },
  },
  'import-map': {
    title: 'No bundler: an import map',
    dependencies: {},
    needs: 'Workers get no import map: the worker module imports `offstage/worker` by its address',
    runs: { production: { folder: '.' } },
  },
  extension: {
    title: 'Extension page (Manifest V3), esbuild',
    dependencies: { esbuild: '0.27.7' },
    needs: second,
    runs: {
      production: {
        command: 'esbuild main.js jobs.js --bundle --format=esm --outdir=dist && cp index.html manifest.json dist',
        extension: 'dist',
      },
    },
  },
}
