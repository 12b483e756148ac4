const months: readonly string[] = [
  ...['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'],
]

/** `strftime_now` of chat templates for one moment, in English: what a template says of a day does not change with the machine. */
export function dateFormatter(now: Date): (format: string) => string {
  const two = (value: number) => String(value).padStart(2, '0')
  const month = months[now.getMonth()]!
  const parts: Readonly<Record<string, string>> = {
    '%Y': String(now.getFullYear()),
    '%m': two(now.getMonth() + 1),
    '%d': two(now.getDate()),
    '%b': month.slice(0, 3),
    '%B': month,
    '%H': two(now.getHours()),
    '%M': two(now.getMinutes()),
    '%%': '%',
  }
  return (format) => String(format).replace(/%[YmdbBHM%]/g, (part) => parts[part]!)
}
