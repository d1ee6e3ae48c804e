import { fileURLToPath } from 'node:url'
import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'
import { precompress, preloadFont } from './scripts/vite-plugins.ts'

const backend = process.env.AICP_API ?? 'http://localhost:8000'

export default defineConfig({
  plugins: [react(), tailwindcss(), preloadFont(/inter-latin-wght-normal.*\.woff2$/), precompress()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  server: { port: 5173, proxy: { '/api': { target: backend, ws: true } } },
  build: {
    target: 'es2022',
    // the served policy allows no data: fonts or scripts, so nothing may be inlined
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  test: {
    environment: 'happy-dom',
    environmentOptions: { happyDOM: { url: 'http://localhost:8000/' } },
    setupFiles: ['src/test/setup.ts'],
    restoreMocks: true,
    testTimeout: 30_000, // other suites run beside
    projects: [
      {
        // one world for all files: loading the application again for each of them would take most of the time
        extends: true,
        test: {
          name: 'together',
          include: ['src/**/*.test.{ts,tsx}'],
          exclude: ['src/**/*.alone.test.{ts,tsx}'],
          isolate: false,
          pool: 'threads',
        },
      },
      {
        // files that replace a module, or the clock, under what others have loaded
        extends: true,
        test: { name: 'alone', include: ['src/**/*.alone.test.{ts,tsx}'] },
      },
    ],
  },
})
