// Warnings are errors: a leaked listener or a deprecated call thrown here is an unhandled error, and fails the run.
process.on('warning', (warning) => {
  if (warning.name !== 'ExperimentalWarning') throw warning
})
