"""The rules of the house: no I/O, no clock, nothing imported from another room."""
