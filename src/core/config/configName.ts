/** Whether a file of that name is a config. */
export function isConfigName(name: string): boolean {
  return name === 'backcompat.json' || name.endsWith('.compat.json');
}
