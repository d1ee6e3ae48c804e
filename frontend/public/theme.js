// Runs before the first paint, so that the chosen theme never flashes. A file of its own: the policy allows no inline script.
;(() => {
  let stored = null
  try {
    stored = localStorage.getItem('aicp.theme')
  } catch {
    stored = null
  }
  const dark = stored === 'dark' || (stored !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.classList.toggle('dark', dark)
})()
