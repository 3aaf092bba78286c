// Runs before the first paint (a classic script in <head>), so a chosen theme never flashes.
(() => {
  try {
    const theme = localStorage.getItem('headstart.theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch {
    // No storage: the system's preference holds.
  }
})();
