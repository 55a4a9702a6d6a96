// Statistics over runs, computed here because they follow the runs that are shown.

// The interval in which the rate of successes lies with 95 % confidence (Wilson 1927): [low, high].
function wilson(successes, trials) {
  const z = 1.959963984540054;
  const rate = successes / trials;
  const scale = 1 + (z * z) / trials;
  const middle = (rate + (z * z) / (2 * trials)) / scale;
  const half = (z / scale) * Math.sqrt((rate * (1 - rate)) / trials + (z * z) / (4 * trials * trials));
  return [successes === 0 ? 0 : middle - half, successes === trials ? 1 : middle + half];
}

// The quantile of numbers, linear between two numbers; NaN if there are none. Infinities count as numbers.
function quantile(values, share) {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  if (!sorted.length) return NaN;
  const place = share * (sorted.length - 1);
  const low = sorted[Math.floor(place)];
  const high = sorted[Math.ceil(place)];
  return low === high ? low : low + (high - low) * (place - Math.floor(place));
}

// The median time over all trials; a trial without a time counts as Infinity.
function censoredMedian(times, trials) {
  return quantile([...times, ...Array(trials - times.length).fill(Infinity)], 0.5);
}

// The values of a curve at some places: linear between its points, NaN before the first; after the last, the last value or NaN.
function interpolated(curve, places, hold) {
  const { x, y } = curve;
  const last = x.length - 1;
  let k = 0;
  return places.map((place) => {
    if (last < 0 || place < x[0]) return NaN;
    if (place >= x[last]) return place === x[last] || hold ? y[last] : NaN;
    while (x[k + 1] <= place) k++;
    if (x[k] === place) return y[k];
    return y[k] + ((y[k + 1] - y[k]) * (place - x[k])) / (x[k + 1] - x[k]);
  });
}
