// Warnings are errors: a leaked listener or a deprecated call thrown here is an unhandled error, and fails the run.
function failOnWarning(warning: Error): void {
  if (warning.name !== 'ExperimentalWarning') throw warning
}

// Files that share a process share this too.
if (!process.listeners('warning').some(({ name }) => name === failOnWarning.name)) process.on('warning', failOnWarning)
