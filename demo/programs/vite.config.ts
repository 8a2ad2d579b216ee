import react from '@vitejs/plugin-react'
import vue from '@vitejs/plugin-vue'
import offstage from 'offstage/vite'
import { defineConfig, type Plugin } from 'vite'

const programs = ['plain', 'react', 'vue'].flatMap((folder) =>
  ['primes', 'thumbnails', 'uploads'].map((name) => `${folder}/${name}.html`),
)

/** Takes the uploads of the dev server, and forgets them. */
const uploads: Plugin = {
  name: 'uploads',
  configureServer({ middlewares }) {
    middlewares.use('/api/uploads', (request, response) => request.on('end', () => response.end()).resume())
  },
}

export default defineConfig({
  plugins: [react(), vue(), offstage(), uploads],
  build: { rolldownOptions: { input: ['index.html', ...programs] } },
})
