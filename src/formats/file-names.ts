/** Names that Windows takes for devices, whatever extension they have. */
const deviceName = /^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(\.|$)/i

const longestName = 255 // bytes of UTF-8, in the usual file systems

/**
 * Whether a name from a file names a file of the same folder, on every system: no path, no URL, no device, nothing that Windows
 * would cut off or cannot write.
 */
export function isPlainFileName(name: string): boolean {
  if (name === '' || /^\.+$/.test(name) || /[. ]$/.test(name) || deviceName.test(name)) return false
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the signs to refuse
  return !/[/\\:*?"<>|\u0000-\u001f\u007f]/.test(name) && new TextEncoder().encode(name).length <= longestName
}
