// Takes the place of the theme's icon script (541 kB compressed): the theme's style sheet draws the same icons from fonts.
