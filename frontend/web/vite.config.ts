/** How the page is built: into dist/, which is committed, so that running Loupe needs no Node. */

import { defineConfig } from "vite";

export default defineConfig({
  build: {
    target: "es2022",
    modulePreload: { polyfill: false }, // an inline script, which our Content-Security-Policy forbids
    assetsInlineLimit: 0,
    cssMinify: true,
  },
  server: {
    proxy: { "/api": "http://127.0.0.1:8000" },
  },
});
