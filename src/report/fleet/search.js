// Shows the rows that have every word of the search; without it, all are shown.
const box = document.getElementById("search"), told = document.getElementById("shown");
const rows = Array.from(document.querySelectorAll("#series tr"));
const texts = rows.map((row) => row.textContent.toLowerCase().replaceAll("\u00a0", " "));
const look = () => {
  const words = box.value.toLowerCase().split(/\s+/).filter((word) => word);
  let shown = 0;
  rows.forEach((row, place) => {
    const fits = words.every((word) => texts[place].includes(word));
    row.hidden = !fits;
    shown += fits;
  });
  told.textContent = shown + " of " + rows.length + " series";
};
box.parentElement.hidden = false;
box.addEventListener("input", look);
look();
