/** Keys and indices from the root of a JSON document. */
export type JsonPath = readonly (string | number)[];

/** A problem found in the values, not yet in the text. `at` says which part of the property to underline. */
export interface Finding {
  path: JsonPath;
  at: 'value' | 'key';
  message: string;
  /** The name that was probably meant, for the underlined part. */
  suggestion?: string | null;
  remedy?: string;
  /** Removing the key mends it. */
  removable?: boolean;
}

/** Text of a path: `pairs["v1-v2"].old`, `audit.ks[0]`. */
export function pathText(path: JsonPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[A-Za-z_$][\w$]*$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text === '' ? 'the config' : text;
}
